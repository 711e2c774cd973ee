/* The search for a linearization, in C: configuration by configuration what checkers/search_python.py does.

   That module says what is searched and why its observations are sound. The order of the search is the same, too: both
   take the same steps, remember the same configurations and get stuck at the same operation, which is how they are
   tested against each other. What differs is how a configuration is written down.

   A completed operation has a slot, which the next operation to begin after its return may have again. So there are as
   many slots as operations overlap, and (low, the slots of the operations placed beyond low) is the set of placed
   operations exactly. With up to 64 slots that set and the state are 16 bytes, and the table of what was tried holds
   them as they are. With more the table holds 128 bits made of a random number for each placed operation and one for the
   state (Zobrist 1970), kept up to date as operations are placed. Two configurations might then be taken for one. That
   can only hide an order, never make one up: whoever gets "invalid" with exact == 0 asks again with another seed.

   The model is Python's. The search knows it as a table (state, transition) -> state. When a cell is missing it stops,
   says which it wants, and goes on where it was once they are filled in. It also stops after so many steps and so many
   seconds, so that whoever called may look at his signals; nothing here blocks, prints or keeps anything global. */

#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef SOURCE_SHA256
#define SOURCE_SHA256 "unknown"
#endif

#define EXPORT __attribute__((visibility("default")))

EXPORT const char antipaxos_search_source[] = "antipaxos-search-source:" SOURCE_SHA256;

#define NEVER INT64_MIN /* when an info operation returned */

enum status { VALID, INVALID, PAUSED, WANTED, CACHE_FULL, MEMORY_FULL, TOO_WIDE };

enum {
    ILLEGAL = -1,
    UNKNOWN = -2,
    NO_STATE = -1,
    STATES_SHOWN = 8,
    STEPS_PER_CLOCK = 256,
    LOWS_AHEAD = 16,
    DENSE_TRANSITIONS = 64, /* with more of them the table of transitions is sparse */
};

/* What the caller reads; checkers/search_native.py has the same structure. */
struct report {
    int64_t steps;
    int64_t cached;
    int64_t memory_bytes;
    const int32_t *wanted;
    int32_t wanted_count;
    int32_t wanted_state;
    int32_t stuck; /* the operation, as the caller numbers them; -1: none */
    int32_t states_count;
    int32_t states[STATES_SHOWN];
    int32_t exact;
    int32_t status;
};

struct buffer {
    void *data;
    size_t capacity; /* in items */
};

/* The slots and the info operations of a configuration are bit sets behind each other in words. */
struct frame {
    uint64_t hash[2]; /* of the placed operations, if not exact */
    int32_t low, state, before;
    int32_t move;  /* what was placed to get here: a rank, or -1 - the place of an info operation */
    int32_t depth; /* how many moves lead here */
    uint32_t infos_only;
    uint64_t words[];
};

struct cell {
    uint64_t key; /* state and transition, plus 1; 0 if empty */
    int32_t after;
};

struct search {
    struct report report;
    int64_t memory_max, cached_max;
    uint64_t seed;
    bool broke; /* memory ran out */
    /* the operations: by rank, which is the order of returns; and the info ones by invocation */
    int32_t size, infos, transitions;
    int32_t *transition, *slot, *origin;
    int32_t *info_transition, *info_before, *info_origin, *infos_at;
    int64_t *forced_begin, *branching_begin; /* by low: where its open operations begin */
    struct buffer forced, branching;         /* of ranks, by invocation */
    size_t slot_words, used_words, frame_size;
    /* the model */
    struct buffer dense, sparse;
    size_t sparse_count;
    int32_t states_dense;
    struct buffer wanted;
    uint32_t *mark;
    uint32_t marks;
    /* what was tried */
    struct buffer keys, heads; /* two words each; of each the latest set of used info operations */
    size_t keys_count;
    struct buffer used, used_next;
    size_t used_count;
    /* where the search is */
    struct buffer stack, children;
    size_t stack_count;
    bool pending; /* the frame on top was counted, but is not expanded yet */
    int64_t clock_steps;
    int32_t deepest;
    struct buffer path, best;
    int32_t best_count, common;
};

/* -- memory -------------------------------------------------------------------------------------------------------- */

static bool allowed(struct search *s, size_t more)
{
    if (s->report.memory_bytes + (int64_t)more <= s->memory_max)
        return true;
    s->broke = true;
    return false;
}

static void *take(struct search *s, size_t items, size_t item)
{
    size_t bytes = (items ? items : 1) * item;
    void *data = allowed(s, bytes) ? calloc(1, bytes) : NULL;
    if (data == NULL)
        s->broke = true;
    else
        s->report.memory_bytes += (int64_t)bytes;
    return data;
}

/* Make room for so many items; what is there stays. */
static bool reserve(struct search *s, struct buffer *b, size_t items, size_t item)
{
    if (items <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : 16;
    while (capacity < items)
        capacity *= 2;
    size_t more = (capacity - b->capacity) * item;
    void *data = allowed(s, more) ? realloc(b->data, capacity * item) : NULL;
    if (data == NULL) {
        s->broke = true;
        return false;
    }
    s->report.memory_bytes += (int64_t)more;
    b->data = data;
    b->capacity = capacity;
    return true;
}

static void give_back(struct search *s, void *data, size_t items, size_t item)
{
    if (data != NULL)
        s->report.memory_bytes -= (int64_t)((items ? items : 1) * item);
    free(data);
}

static void replace(struct search *s, struct buffer *b, void *data, size_t capacity, size_t item)
{
    s->report.memory_bytes -= (int64_t)(b->capacity * item); /* what is new was counted when it was taken */
    free(b->data);
    b->data = data;
    b->capacity = capacity;
}

/* -- numbers ------------------------------------------------------------------------------------------------------- */

static uint64_t splitmix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void stir(const struct search *s, uint64_t hash[2], uint64_t thing)
{
    hash[0] ^= splitmix64(s->seed + 2 * thing);
    hash[1] ^= splitmix64(~s->seed + 2 * thing + 1);
}

static bool has(const uint64_t *words, int32_t bit)
{
    return words[bit >> 6] >> (bit & 63) & 1;
}

static void put(uint64_t *words, int32_t bit)
{
    words[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

static void drop(uint64_t *words, int32_t bit)
{
    words[bit >> 6] &= ~((uint64_t)1 << (bit & 63));
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -- the model as a table ------------------------------------------------------------------------------------------ */

static uint64_t cell_key(int32_t state, int32_t transition)
{
    return ((uint64_t)(uint32_t)state << 32 | (uint32_t)transition) + 1;
}

static struct cell *find_cell(struct cell *cells, size_t capacity, uint64_t key)
{
    size_t at = splitmix64(key) & (capacity - 1);
    while (cells[at].key != 0 && cells[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &cells[at];
}

static int32_t look(const struct search *s, int32_t state, int32_t transition)
{
    if (s->transitions <= DENSE_TRANSITIONS) {
        if (state >= s->states_dense)
            return UNKNOWN;
        return ((int32_t *)s->dense.data)[(size_t)state * (size_t)s->transitions + (size_t)transition];
    }
    if (s->sparse.capacity == 0)
        return UNKNOWN;
    const struct cell *cell = find_cell(s->sparse.data, s->sparse.capacity, cell_key(state, transition));
    return cell->key == 0 ? UNKNOWN : cell->after;
}

static bool fill_dense(struct search *s, int32_t state, int32_t transition, int32_t after)
{
    size_t width = (size_t)s->transitions;
    if (state >= s->states_dense) {
        size_t known = (size_t)s->states_dense * width;
        if (!reserve(s, &s->dense, ((size_t)state + 1) * width, sizeof(int32_t)))
            return false;
        int32_t *cells = s->dense.data;
        s->states_dense = state + 1;
        for (size_t at = known; at < (size_t)s->states_dense * width; at++)
            cells[at] = UNKNOWN;
    }
    ((int32_t *)s->dense.data)[(size_t)state * width + (size_t)transition] = after;
    return true;
}

static bool fill_sparse(struct search *s, int32_t state, int32_t transition, int32_t after)
{
    if (2 * (s->sparse_count + 1) > s->sparse.capacity) {
        size_t capacity = s->sparse.capacity ? 2 * s->sparse.capacity : 1024;
        struct cell *cells = take(s, capacity, sizeof *cells);
        if (cells == NULL)
            return false;
        const struct cell *old = s->sparse.data;
        for (size_t at = 0; at < s->sparse.capacity; at++)
            if (old[at].key != 0)
                *find_cell(cells, capacity, old[at].key) = old[at];
        replace(s, &s->sparse, cells, capacity, sizeof *cells);
    }
    uint64_t key = cell_key(state, transition);
    struct cell *cell = find_cell(s->sparse.data, s->sparse.capacity, key);
    s->sparse_count += cell->key == 0;
    cell->key = key;
    cell->after = after;
    return true;
}

static bool want_one(struct search *s, int32_t state, int32_t transition)
{
    if (s->mark[transition] == s->marks || look(s, state, transition) != UNKNOWN)
        return true;
    s->mark[transition] = s->marks;
    if (!reserve(s, &s->wanted, (size_t)s->report.wanted_count + 1, sizeof(int32_t)))
        return false;
    ((int32_t *)s->wanted.data)[s->report.wanted_count++] = transition;
    return true;
}

/* Say which cells of a state are missing: the one that was looked for, and with it those of all operations that may be
   asked about at this low; and where there are few transitions, soon after it, since asking costs more than a cell. */
static enum status want(struct search *s, int32_t state, int32_t transition, int32_t low)
{
    s->marks++;
    s->report.wanted_state = state;
    s->report.wanted_count = 0;
    bool fine = want_one(s, state, transition);
    if (low < s->size) {
        int32_t end = low + (s->transitions <= DENSE_TRANSITIONS ? LOWS_AHEAD : 1);
        end = end < s->size ? end : s->size;
        const int32_t *forced = s->forced.data, *branching = s->branching.data;
        for (int64_t at = s->forced_begin[low]; fine && at < s->forced_begin[end]; at++)
            fine = want_one(s, state, s->transition[forced[at]]);
        for (int64_t at = s->branching_begin[low]; fine && at < s->branching_begin[end]; at++)
            fine = want_one(s, state, s->transition[branching[at]]);
        for (int32_t place = 0; fine && place < s->infos_at[end - 1]; place++)
            fine = want_one(s, state, s->info_transition[place]);
    }
    s->report.wanted = s->wanted.data;
    return fine ? WANTED : MEMORY_FULL;
}

/* -- what was tried ------------------------------------------------------------------------------------------------ */

static size_t find_key(const uint64_t *keys, size_t capacity, const uint64_t key[2])
{
    uint64_t x = (key[0] ^ key[1] * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    size_t at = (x ^ x >> 32) & (capacity - 1);
    while (keys[2 * at] != 0 && (keys[2 * at] != key[0] || keys[2 * at + 1] != key[1]))
        at = (at + 1) & (capacity - 1);
    return at;
}

static bool grow_keys(struct search *s)
{
    size_t capacity = s->keys.capacity ? 2 * s->keys.capacity : 256;
    uint64_t *keys = take(s, capacity, 2 * sizeof *keys);
    uint32_t *heads = keys != NULL && s->infos ? take(s, capacity, sizeof *heads) : NULL;
    if (keys == NULL || (s->infos && heads == NULL)) {
        free(keys);
        return false;
    }
    const uint64_t *old = s->keys.data;
    const uint32_t *old_heads = s->heads.data;
    for (size_t at = 0; at < s->keys.capacity; at++) {
        if (old[2 * at] == 0)
            continue;
        size_t to = find_key(keys, capacity, old + 2 * at);
        keys[2 * to] = old[2 * at];
        keys[2 * to + 1] = old[2 * at + 1];
        if (heads != NULL)
            heads[to] = old_heads[at];
    }
    replace(s, &s->keys, keys, capacity, 2 * sizeof *keys);
    if (heads != NULL)
        replace(s, &s->heads, heads, capacity, sizeof *heads);
    return true;
}

static bool is_subset(const uint64_t *part, const uint64_t *whole, size_t words)
{
    for (size_t at = 0; at < words; at++)
        if (part[at] & ~whole[at])
            return false;
    return true;
}

/* Observation 2: remember a set of used info operations; false if a subset of it is known. */
static bool remember_used(struct search *s, uint32_t *head, const uint64_t *used)
{
    const uint64_t *sets = s->used.data;
    const uint32_t *next = s->used_next.data;
    for (uint32_t at = *head; at != 0; at = next[at])
        if (is_subset(sets + at * s->used_words, used, s->used_words))
            return false;
    size_t at = ++s->used_count; /* 0 ends a list */
    if (at > UINT32_MAX || !reserve(s, &s->used, (at + 1) * s->used_words, sizeof(uint64_t))
        || !reserve(s, &s->used_next, at + 1, sizeof(uint32_t))) {
        s->broke = true;
        return false;
    }
    memcpy((uint64_t *)s->used.data + at * s->used_words, used, s->used_words * sizeof(uint64_t));
    ((uint32_t *)s->used_next.data)[at] = *head;
    *head = (uint32_t)at;
    return true;
}

/* Remember a configuration; false if it, or one that can do all the same, is known (or if memory ran out). */
static bool is_new(struct search *s, const struct frame *f)
{
    uint64_t key[2] = {(uint64_t)((uint32_t)f->low + 1) << 32 | (uint32_t)f->state, f->words[0]};
    if (!s->report.exact) {
        key[0] = f->hash[0];
        key[1] = f->hash[1];
        stir(s, key, ((uint64_t)1 << 40) + (uint32_t)f->state);
        key[0] += key[0] == 0;
    }
    if (5 * (s->keys_count + 1) > 3 * s->keys.capacity && !grow_keys(s))
        return false;
    uint64_t *keys = s->keys.data;
    size_t at = find_key(keys, s->keys.capacity, key);
    bool known = keys[2 * at] != 0;
    if (!known) {
        keys[2 * at] = key[0];
        keys[2 * at + 1] = key[1];
        s->keys_count++;
    } else if (!s->infos) {
        return false;
    }
    if (s->infos && !remember_used(s, (uint32_t *)s->heads.data + at, f->words + s->slot_words))
        return false;
    s->report.cached++;
    return true;
}

/* -- steps of the search ------------------------------------------------------------------------------------------- */

static struct frame *frame_at(const struct search *s, const struct buffer *b, size_t at)
{
    return (struct frame *)((char *)b->data + at * s->frame_size);
}

static bool push(struct search *s, const struct frame *f)
{
    if (!reserve(s, &s->stack, s->stack_count + 1, s->frame_size))
        return false;
    memcpy(frame_at(s, &s->stack, s->stack_count++), f, s->frame_size);
    return true;
}

static void place(const struct search *s, struct frame *f, int32_t rank)
{
    put(f->words, s->slot[rank]);
    if (!s->report.exact)
        stir(s, f->hash, (uint32_t)rank);
}

/* Observation 1: place every legal read, as often as that lets low grow. Notes what it places in order, if asked. */
static enum status absorb(struct search *s, struct frame *f, int32_t **order)
{
    const int32_t *forced = s->forced.data;
    while (f->low < s->size) {
        for (int64_t at = s->forced_begin[f->low]; at < s->forced_begin[f->low + 1]; at++) {
            int32_t rank = forced[at];
            if (has(f->words, s->slot[rank]))
                continue;
            int32_t after = look(s, f->state, s->transition[rank]);
            if (after == UNKNOWN)
                return want(s, f->state, s->transition[rank], f->low);
            if (after == ILLEGAL)
                continue;
            place(s, f, rank);
            if (order != NULL)
                *(*order)++ = s->origin[rank];
        }
        if (!has(f->words, s->slot[f->low]))
            break;
        while (f->low < s->size && has(f->words, s->slot[f->low]))
            drop(f->words, s->slot[f->low++]);
    }
    return PAUSED;
}

/* Keep the way that leads here; only what it does not share with the one kept before is copied. */
static bool keep_path(struct search *s, int32_t count)
{
    if (!reserve(s, &s->best, (size_t)count, sizeof(int32_t)))
        return false;
    if (count > s->common)
        memcpy((int32_t *)s->best.data + s->common, (int32_t *)s->path.data + s->common,
               (size_t)(count - s->common) * sizeof(int32_t));
    s->best_count = s->common = count;
    return true;
}

static bool walk(struct search *s, int32_t depth, int32_t move)
{
    if (!reserve(s, &s->path, (size_t)depth, sizeof(int32_t)))
        return false;
    ((int32_t *)s->path.data)[depth - 1] = move;
    if (s->common > depth - 1)
        s->common = depth - 1;
    return true;
}

static bool note_depth(struct search *s, const struct frame *f)
{
    struct report *r = &s->report;
    if (f->low > s->deepest) {
        s->deepest = f->low;
        r->stuck = s->origin[f->low];
        r->states_count = 1;
        r->states[0] = f->state;
        return keep_path(s, f->depth);
    }
    if (f->low < s->deepest || r->states_count == STATES_SHOWN)
        return true;
    for (int32_t at = 0; at < r->states_count; at++)
        if (r->states[at] == f->state)
            return true;
    r->states[r->states_count++] = f->state;
    return true;
}

static struct frame *child_of(struct search *s, const struct frame *f, size_t count, int32_t after, int32_t move)
{
    if (!reserve(s, &s->children, count + 1, s->frame_size))
        return NULL;
    struct frame *child = frame_at(s, &s->children, count);
    memcpy(child, f, s->frame_size);
    child->state = after;
    child->before = NO_STATE;
    child->move = move;
    child->depth = f->depth + 1;
    child->infos_only = 0;
    return child;
}

/* Everything has been placed: the way here is the whole order. */
static enum status arrive(struct search *s, const struct frame *child)
{
    return walk(s, child->depth, child->move) && keep_path(s, child->depth) ? VALID : MEMORY_FULL;
}

/* What may follow is first worked out as a whole, since a cell of the model's table may be missing; nothing of the
   search changes before that is done. PAUSED means: go on. */
static enum status expand(struct search *s)
{
    const struct frame *f = frame_at(s, &s->stack, s->stack_count - 1);
    const int32_t *branching = s->branching.data;
    size_t count = 0;
    bool arrived = false;
    if (!note_depth(s, f))
        return MEMORY_FULL;
    for (int64_t at = s->branching_begin[f->low]; at < s->branching_begin[f->low + 1] && !arrived; at++) {
        int32_t rank = branching[at], transition = s->transition[rank];
        if (has(f->words, s->slot[rank]))
            continue;
        int32_t after = look(s, f->state, transition);
        if (after == UNKNOWN)
            return want(s, f->state, transition, f->low);
        if (after == ILLEGAL)
            continue;
        if (f->before != NO_STATE) { /* observation 4 */
            int32_t otherwise = look(s, f->before, transition);
            if (otherwise == UNKNOWN)
                return want(s, f->before, transition, f->low);
            if (otherwise == after)
                continue;
        }
        struct frame *child = child_of(s, f, count, after, rank);
        if (child == NULL)
            return MEMORY_FULL;
        place(s, child, rank);
        enum status status = absorb(s, child, NULL);
        if (status != PAUSED)
            return status;
        arrived = child->low == s->size;
        count++;
    }
    if (s->infos_at[f->low])
        frame_at(s, &s->stack, s->stack_count - 1)->infos_only = 1; /* it stays, below what follows */
    else
        s->stack_count--;
    size_t kept = 0;
    for (size_t at = 0; at < count - arrived; at++) {
        struct frame *child = frame_at(s, &s->children, at);
        if (is_new(s, child)) {
            if (at != kept)
                memcpy(frame_at(s, &s->children, kept), child, s->frame_size);
            kept++;
        }
        if (s->broke)
            return MEMORY_FULL;
    }
    if (arrived)
        return arrive(s, frame_at(s, &s->children, count - 1));
    while (kept-- > 0)
        if (!push(s, frame_at(s, &s->children, kept)))
            return MEMORY_FULL;
    return PAUSED;
}

/* Observation 4, looked at ahead: whether any operation fares differently after an info operation than before it.
   PAUSED: it does; INVALID: none does. */
static enum status earns_its_place(struct search *s, const struct frame *f, int32_t place, int32_t after)
{
    const int32_t *branching = s->branching.data;
    for (int64_t at = s->branching_begin[f->low]; at < s->branching_begin[f->low + 1]; at++) {
        int32_t rank = branching[at], transition = s->transition[rank];
        if (has(f->words, s->slot[rank]))
            continue;
        int32_t now = look(s, f->state, transition), then = look(s, after, transition);
        if (now == UNKNOWN || then == UNKNOWN)
            return want(s, now == UNKNOWN ? f->state : after, transition, f->low);
        if (then != ILLEGAL && then != now)
            return PAUSED;
    }
    const uint64_t *used = f->words + s->slot_words;
    for (int32_t other = 0; other < s->infos_at[f->low]; other++) {
        if (other == place || has(used, other))
            continue;
        int32_t transition = s->info_transition[other];
        int32_t now = look(s, f->state, transition), then = look(s, after, transition);
        if (now == UNKNOWN || then == UNKNOWN)
            return want(s, now == UNKNOWN ? f->state : after, transition, f->low);
        if (then != ILLEGAL && then != after && then != now)
            return PAUSED;
    }
    return INVALID;
}

/* The child of a configuration by one info operation, if it is worth a try: PAUSED; INVALID if it is not. */
static enum status try_info(struct search *s, const struct frame *f, int32_t place, size_t count)
{
    const uint64_t *used = f->words + s->slot_words;
    int32_t earlier = s->info_before[place], transition = s->info_transition[place];
    if (has(used, place) || (earlier >= 0 && !has(used, earlier)))
        return INVALID; /* placed already, or observation 3 */
    int32_t after = look(s, f->state, transition);
    if (after == UNKNOWN)
        return want(s, f->state, transition, f->low);
    if (after == ILLEGAL || after == f->state)
        return INVALID;
    if (f->before != NO_STATE) {
        int32_t otherwise = look(s, f->before, transition);
        if (otherwise == UNKNOWN)
            return want(s, f->before, transition, f->low);
        if (otherwise == after)
            return INVALID;
    }
    struct frame *child = child_of(s, f, count, after, -1 - place);
    if (child == NULL)
        return MEMORY_FULL;
    enum status status = absorb(s, child, NULL);
    if (status != PAUSED)
        return status;
    if (child->low == f->low && memcmp(child->words, f->words, s->slot_words * sizeof(uint64_t)) == 0) {
        status = earns_its_place(s, f, place, after);
        if (status != PAUSED)
            return status;
        child->before = f->state;
    }
    put(child->words + s->slot_words, place);
    return PAUSED;
}

static enum status expand_infos(struct search *s)
{
    const struct frame *f = frame_at(s, &s->stack, s->stack_count - 1);
    int32_t available = s->infos_at[f->low];
    size_t count = 0;
    bool arrived = false;
    for (int32_t place = 0; place < available && !arrived; place++) {
        enum status status = try_info(s, f, place, count);
        if (status == INVALID)
            continue;
        if (status != PAUSED)
            return status;
        arrived = frame_at(s, &s->children, count)->low == s->size;
        count++;
    }
    s->report.steps += available;
    s->stack_count--;
    for (size_t at = 0; at < count - arrived; at++) {
        struct frame *child = frame_at(s, &s->children, at);
        if ((is_new(s, child) && !push(s, child)) || s->broke)
            return MEMORY_FULL;
    }
    return arrived ? arrive(s, frame_at(s, &s->children, count - 1)) : PAUSED;
}

/* -- getting ready ------------------------------------------------------------------------------------------------- */

struct moment {
    int64_t at;
    int32_t operation;
};

static int by_moment(const void *left, const void *right)
{
    int64_t a = ((const struct moment *)left)->at, b = ((const struct moment *)right)->at;
    return (a > b) - (a < b);
}

struct input {
    int32_t operations;
    const int64_t *invoked, *returned; /* an info operation returns never */
    const int32_t *transition;
    const uint8_t *forced;
    int64_t open_max;
};

/* Number the operations, and return when each rank was invoked, in order. */
static struct moment *number(struct search *s, const struct input *in)
{
    struct moment *returns = take(s, (size_t)in->operations, sizeof *returns);
    struct moment *calls = take(s, (size_t)in->operations, sizeof *calls);
    int32_t *latest = take(s, (size_t)s->transitions, sizeof *latest);
    if (s->broke)
        goto done;
    for (int32_t op = 0; op < in->operations; op++) {
        bool completed = in->returned[op] != NEVER;
        if (completed)
            returns[s->size++] = (struct moment){in->returned[op], op};
        else
            calls[s->infos++] = (struct moment){in->invoked[op], op};
    }
    qsort(returns, (size_t)s->size, sizeof *returns, by_moment);
    qsort(calls, (size_t)s->infos, sizeof *calls, by_moment);
    s->transition = take(s, (size_t)s->size, sizeof(int32_t));
    s->slot = take(s, (size_t)s->size, sizeof(int32_t));
    s->origin = take(s, (size_t)s->size, sizeof(int32_t));
    s->info_transition = take(s, (size_t)s->infos, sizeof(int32_t));
    s->info_before = take(s, (size_t)s->infos, sizeof(int32_t));
    s->info_origin = take(s, (size_t)s->infos, sizeof(int32_t));
    s->infos_at = take(s, (size_t)s->size + 1, sizeof(int32_t));
    s->forced_begin = take(s, (size_t)s->size + 1, sizeof(int64_t));
    s->branching_begin = take(s, (size_t)s->size + 1, sizeof(int64_t));
    if (s->broke)
        goto done;
    for (int32_t place = 0; place < s->infos; place++) {
        int32_t transition = in->transition[calls[place].operation];
        s->info_origin[place] = calls[place].operation;
        s->info_transition[place] = transition;
        s->info_before[place] = latest[transition] - 1;
        latest[transition] = place + 1;
    }
    for (int32_t rank = 0; rank < s->size; rank++) {
        int32_t op = returns[rank].operation;
        s->origin[rank] = op;
        s->transition[rank] = in->transition[op];
        calls[rank] = (struct moment){in->invoked[op], rank};
    }
    qsort(calls, (size_t)s->size, sizeof *calls, by_moment);
done:
    give_back(s, latest, (size_t)s->transitions, sizeof *latest);
    give_back(s, returns, (size_t)in->operations, sizeof *returns);
    if (s->broke) {
        give_back(s, calls, (size_t)in->operations, sizeof *calls);
        calls = NULL;
    }
    return calls;
}

/* Walk along the returns and note for each what is open then: at most open_max pairs. Hands out the slots, too. */
static enum status sweep(struct search *s, const struct input *in, const struct moment *calls)
{
    struct buffer open = {0}, free_slots = {0};
    size_t opened = 0, freed = 0, forced = 0, branching = 0;
    int32_t called = 0, invoked = 0, slots = 0;
    int64_t total = 0;
    for (int32_t low = 0; low < s->size && !s->broke; low++) {
        int64_t returned = in->returned[s->origin[low]];
        while (called < s->size && calls[called].at < returned) {
            int32_t rank = calls[called++].operation;
            if (!reserve(s, &open, opened + 1, sizeof(int32_t)))
                break;
            ((int32_t *)open.data)[opened++] = rank;
            s->slot[rank] = freed ? ((int32_t *)free_slots.data)[--freed] : slots++;
        }
        while (invoked < s->infos && in->invoked[s->info_origin[invoked]] < returned)
            invoked++;
        total += (int64_t)opened;
        if (s->broke || total > in->open_max)
            break;
        s->infos_at[low] = invoked;
        size_t left = 0;
        int32_t *ranks = open.data;
        if (!reserve(s, &s->forced, forced + opened, sizeof(int32_t))
            || !reserve(s, &s->branching, branching + opened, sizeof(int32_t))
            || !reserve(s, &free_slots, freed + 1, sizeof(int32_t)))
            break;
        for (size_t at = 0; at < opened; at++) {
            int32_t rank = ranks[at];
            if (in->forced[s->origin[rank]])
                ((int32_t *)s->forced.data)[forced++] = rank;
            else
                ((int32_t *)s->branching.data)[branching++] = rank;
            if (rank != low)
                ranks[left++] = rank;
        }
        opened = left;
        ((int32_t *)free_slots.data)[freed++] = s->slot[low];
        s->forced_begin[low + 1] = (int64_t)forced;
        s->branching_begin[low + 1] = (int64_t)branching;
    }
    replace(s, &open, NULL, 0, sizeof(int32_t));
    replace(s, &free_slots, NULL, 0, sizeof(int32_t));
    s->slot_words = slots > 64 ? ((size_t)slots + 63) / 64 : 1;
    s->used_words = ((size_t)s->infos + 63) / 64;
    s->frame_size = sizeof(struct frame) + (s->slot_words + s->used_words) * sizeof(uint64_t);
    s->report.exact = s->slot_words == 1;
    return s->broke ? MEMORY_FULL : total > in->open_max ? TOO_WIDE : PAUSED;
}

/* -- what is called ------------------------------------------------------------------------------------------------ */

EXPORT void antipaxos_search_free(struct search *s)
{
    if (s == NULL)
        return;
    void *owned[] = {
        s->transition,    s->slot,      s->origin,          s->info_transition, s->info_before, s->info_origin,
        s->infos_at,      s->forced_begin, s->branching_begin, s->forced.data,  s->branching.data, s->dense.data,
        s->sparse.data,   s->wanted.data, s->mark,          s->keys.data,       s->heads.data,  s->used.data,
        s->used_next.data, s->stack.data, s->children.data, s->path.data,       s->best.data,
    };
    for (size_t at = 0; at < sizeof owned / sizeof *owned; at++)
        free(owned[at]);
    free(s);
}

/* A search with its report; NULL only if there is no memory at all. Its status is PAUSED unless it cannot begin. */
EXPORT struct search *antipaxos_search_new(int32_t operations, const int64_t *invoked, const int64_t *returned,
                                           const int32_t *transition, const uint8_t *forced, int32_t transitions,
                                           int64_t open_max, int64_t cached_max, int64_t memory_max, uint64_t seed)
{
    struct input in = {operations, invoked, returned, transition, forced, open_max};
    struct search *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->memory_max = memory_max;
    s->cached_max = cached_max;
    s->seed = splitmix64(seed);
    s->transitions = transitions;
    s->deepest = -1;
    s->report.stuck = -1;
    s->report.status = MEMORY_FULL;
    s->mark = take(s, (size_t)transitions, sizeof *s->mark);
    struct moment *calls = s->broke ? NULL : number(s, &in);
    if (calls != NULL)
        s->report.status = sweep(s, &in, calls);
    give_back(s, calls, (size_t)operations, sizeof *calls);
    return s;
}

/* Fill cells of one state in. False if memory ran out. */
EXPORT int32_t antipaxos_search_fill(struct search *s, int32_t state, int32_t count, const int32_t *transitions,
                                     const int32_t *afters)
{
    bool dense = s->transitions <= DENSE_TRANSITIONS;
    for (int32_t at = 0; at < count; at++)
        if (!(dense ? fill_dense : fill_sparse)(s, state, transitions[at], afters[at]))
            return 0;
    return 1;
}

static enum status begin(struct search *s)
{
    if (!reserve(s, &s->children, 1, s->frame_size))
        return MEMORY_FULL;
    struct frame *root = frame_at(s, &s->children, 0);
    memset(root, 0, s->frame_size);
    root->before = NO_STATE;
    enum status status = absorb(s, root, NULL);
    if (status != PAUSED)
        return status;
    if (root->low == s->size)
        return VALID;
    return push(s, root) ? PAUSED : MEMORY_FULL;
}

static enum status proceed(struct search *s, int64_t steps, double seconds)
{
    int64_t steps_end = steps > INT64_MAX - s->report.steps ? INT64_MAX : s->report.steps + steps;
    double ends_s = 0.0;
    if (!s->pending && s->report.steps == 0) {
        enum status status = begin(s);
        if (status != PAUSED)
            return status;
    }
    for (;;) {
        if (!s->pending) {
            if (s->stack_count == 0)
                return INVALID;
            s->pending = true;
            s->report.steps++;
            if (s->report.steps >= steps_end)
                return PAUSED;
            if (s->report.steps - s->clock_steps >= STEPS_PER_CLOCK) {
                double moment_s = now_s();
                s->clock_steps = s->report.steps;
                if (ends_s == 0.0) /* the first look is the beginning, but for one who has no time at all */
                    ends_s = moment_s + seconds;
                if (moment_s >= ends_s)
                    return PAUSED;
            }
        }
        if (s->report.cached > s->cached_max)
            return CACHE_FULL;
        const struct frame *top = frame_at(s, &s->stack, s->stack_count - 1);
        if (!top->infos_only && top->depth > 0 && !walk(s, top->depth, top->move))
            return MEMORY_FULL;
        enum status status = top->infos_only ? expand_infos(s) : expand(s);
        if (status != PAUSED)
            return status;
        s->pending = false;
    }
}

/* Search on, for so many steps and about so many seconds. */
EXPORT int32_t antipaxos_search_run(struct search *s, int64_t steps, double seconds)
{
    if (s->report.status == PAUSED || s->report.status == WANTED)
        s->report.status = s->broke ? (int32_t)MEMORY_FULL : (int32_t)proceed(s, steps, seconds);
    return s->report.status;
}

/* The longest order found, as the caller numbers operations; ``order`` has room for all of them. Returns how many. */
EXPORT int32_t antipaxos_search_longest(struct search *s, int32_t *order)
{
    int32_t *end = order;
    const int32_t *best = s->best.data;
    struct frame *f = s->frame_size ? calloc(1, s->frame_size) : NULL;
    if (f == NULL)
        return 0;
    for (int32_t at = -1; at < s->best_count; at++) {
        if (at >= 0) {
            bool info = best[at] < 0;
            int32_t number = info ? -1 - best[at] : best[at];
            f->state = look(s, f->state, (info ? s->info_transition : s->transition)[number]);
            *end++ = (info ? s->info_origin : s->origin)[number];
            if (!info)
                place(s, f, number);
        }
        if (absorb(s, f, &end) != PAUSED)
            break;
    }
    free(f);
    return (int32_t)(end - order);
}
