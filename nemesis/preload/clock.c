/* A preload library that bends the clocks of one process, by what a mapped control page says at every call.
 *
 *     LD_PRELOAD=clock.so ANTIPAXOS_CLOCK=/run/folder/clocks/n1 program...
 *
 * The page holds a straight line from true time to the process's monotonic clock; every other clock is that line at a
 * constant distance. The harness replaces the line, the next call sees it. Without a page everything is as if there were
 * no library. Nothing here can set a clock: the machine's own is only ever read.
 *
 * Waits are for a reading of the bent clock, so they are cut into slices: a wait begins anew at least every SLICE_NS of
 * true time and ends when the process's own clock says so, whatever happened to its rate in between. Timers that the
 * kernel holds (timerfd, POSIX timers, setitimer) are set anew by a thread that is started with the first of them.
 *
 * glibc on 64-bit Linux. The layout of the page is nemesis/preload/page.py's too.
 */

#undef _FORTIFY_SOURCE /* its inline poll() and friends are what we define here */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#if !defined(__GLIBC__) || !defined(__LP64__)
#error "the clock library is for glibc on 64-bit Linux"
#endif
#ifndef SOURCE_SHA256
#define SOURCE_SHA256 "unknown"
#endif

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define NEVER INT64_MAX
#define SECOND 1000000000LL
#define MILLION 1000000LL
#define SLICE_NS (10 * 1000000LL)
#define CONDITION_SLICE_NS (1000 * 1000000LL)
#define KEEPER_NS (5 * 1000000LL)
#define STUCK_NS (200 * 1000000LL)

/* Names the source that this was built from: whoever finds a library beside another source builds it anew. */
EXPORT const char antipaxos_clock_source[] = "antipaxos-clock-source:" SOURCE_SHA256;

/* ---- the page ------------------------------------------------------------------------------------------------- */

#define MAGIC 0x31304b4c43585041LL /* "APXCLK01", little endian */
#define REGION 65536               /* a multiple of every page size there is */
#define NOTES 32

struct line {
    _Atomic int64_t generation; /* how many lines there have been */
    _Atomic int64_t true_base;  /* ns of the machine's CLOCK_MONOTONIC */
    _Atomic int64_t local_base; /* what the bent clock reads then */
    _Atomic int64_t ppm;        /* its rate in millionths of true time; 0 is frozen */
    _Atomic int64_t wall_over;  /* how far CLOCK_REALTIME is ahead of it */
    int64_t unused[3];
};

struct control {
    int64_t magic;
    int64_t namespace_ns; /* how far this process's own CLOCK_MONOTONIC is ahead of the machine's (time namespace) */
    int64_t boot_over;    /* how far CLOCK_BOOTTIME is ahead of the monotonic clock */
    int64_t raw_over;     /* CLOCK_MONOTONIC_RAW, likewise */
    int64_t tai_over;     /* how far CLOCK_TAI is ahead of CLOCK_REALTIME */
    int64_t unused[3];
    _Atomic int64_t sequence; /* odd while a line is replaced */
    _Atomic int64_t current;  /* which of the two lines counts: the other one is the next to be written */
    int64_t unused_too[6];
    struct line lines[2];
};

/* What a process has to say: the first reading that it took of each line that it met. */
struct note {
    _Atomic int64_t sequence; /* odd while it is written */
    _Atomic int64_t pid;
    _Atomic int64_t generation;
    _Atomic int64_t true_ns;
    _Atomic int64_t local_ns;
    int64_t unused[3];
};

struct notes {
    _Atomic int64_t taken; /* how many processes have asked for a place */
    int64_t unused[7];
    struct note notes[NOTES];
};

static struct control *control; /* NULL: nothing is bent */
static struct notes *notes;
static int place = -1; /* this process's among the notes */
static _Atomic int64_t noted = -1;
static atomic_flag noting = ATOMIC_FLAG_INIT;
static _Atomic int64_t stuck = -1; /* a sequence that a writer has died in */

/* ---- the real functions ----------------------------------------------------------------------------------------- */

/* epoll_pwait2 is younger than what we may be built with. */
typedef int epoll_pwait2_t(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
typedef int clockwait_t(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);

#define REALS(X)                                                                                                        \
    X(clock_gettime) X(clock_nanosleep) X(epoll_pwait) X(ppoll) X(select) X(pselect) X(sem_timedwait) X(sem_clockwait)  \
    X(pthread_cond_timedwait) X(pthread_cond_clockwait) X(pthread_mutex_timedlock) X(pthread_mutex_clocklock)           \
    X(pthread_rwlock_timedrdlock) X(pthread_rwlock_clockrdlock) X(pthread_rwlock_timedwrlock)                           \
    X(pthread_rwlock_clockwrlock) X(pthread_timedjoin_np) X(sigtimedwait) X(timerfd_create) X(timerfd_settime)          \
    X(timerfd_gettime) X(timer_create) X(timer_settime) X(timer_gettime) X(timer_delete) X(setitimer) X(getitimer)      \
    X(clock_settime) X(settimeofday) X(syscall) X(pthread_create)

#define DECLARE(name) static __typeof__(&name) real_##name;
REALS(DECLARE)
static epoll_pwait2_t *real_epoll_pwait2;
static int (*real_mq_timedsend)(int, const char *, size_t, unsigned, const struct timespec *);
static ssize_t (*real_mq_timedreceive)(int, char *, size_t, unsigned *, const struct timespec *);
static _Atomic int resolved;

static void *versioned(const char *name, const char *version) {
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : NULL;
    return found ? found : dlsym(RTLD_NEXT, name);
}

static void resolve(void) {
#define RESOLVE(name) *(void **)&real_##name = versioned(#name, NULL);
    REALS(RESOLVE)
#ifdef __x86_64__ /* here an older, different one of that name is still in libc */
    *(void **)&real_pthread_cond_timedwait = versioned("pthread_cond_timedwait", "GLIBC_2.3.2");
    *(void **)&real_timer_create = versioned("timer_create", "GLIBC_2.3.3");
    *(void **)&real_timer_settime = versioned("timer_settime", "GLIBC_2.3.3");
    *(void **)&real_timer_gettime = versioned("timer_gettime", "GLIBC_2.3.3");
    *(void **)&real_timer_delete = versioned("timer_delete", "GLIBC_2.3.3");
#endif
    *(void **)&real_epoll_pwait2 = versioned("epoll_pwait2", NULL);
    *(void **)&real_mq_timedsend = versioned("mq_timedsend", NULL);
    *(void **)&real_mq_timedreceive = versioned("mq_timedreceive", NULL);
    atomic_store_explicit(&resolved, 1, memory_order_release);
}

static inline void ready(void) {
    if (!LIKELY(atomic_load_explicit(&resolved, memory_order_acquire)))
        resolve();
}

/* ---- times ------------------------------------------------------------------------------------------------------ */

static inline struct timespec spec_of(int64_t ns) {
    struct timespec spec = {ns / SECOND, ns % SECOND};
    if (spec.tv_nsec < 0) {
        spec.tv_sec--;
        spec.tv_nsec += SECOND;
    }
    return spec;
}

static inline int is_sane(const struct timespec *spec) {
    return spec->tv_nsec >= 0 && spec->tv_nsec < SECOND;
}

/* Later than anything that happens is NEVER, so that sums do not overflow. */
static inline int64_t ns_of(const struct timespec *spec) {
    if (spec->tv_sec > NEVER / SECOND / 4)
        return NEVER / 2;
    if (spec->tv_sec < -(NEVER / SECOND / 4))
        return -(NEVER / 2);
    return spec->tv_sec * SECOND + spec->tv_nsec;
}

static inline int64_t raw(clockid_t clock) {
    struct timespec spec;
    real_clock_gettime(clock, &spec);
    return spec.tv_sec * SECOND + spec.tv_nsec;
}

/* ---- reading the line ------------------------------------------------------------------------------------------- */

struct view {
    int64_t generation, true_base, local_base, ppm, wall_over;
    int64_t now;   /* true time */
    int64_t local; /* the bent clock */
};

static inline void copy(const struct line *line, struct view *view) {
    view->generation = atomic_load_explicit(&line->generation, memory_order_relaxed);
    view->true_base = atomic_load_explicit(&line->true_base, memory_order_relaxed);
    view->local_base = atomic_load_explicit(&line->local_base, memory_order_relaxed);
    view->ppm = atomic_load_explicit(&line->ppm, memory_order_relaxed);
    view->wall_over = atomic_load_explicit(&line->wall_over, memory_order_relaxed);
}

/* A line is being replaced. Wait for its end: a reading of the old line now might be later than one of the new line.
 * A writer that was killed in the middle never ends; then the line that counted goes on, which is whole at all times. */
static int64_t await_even(void) {
    int64_t since = raw(CLOCK_MONOTONIC);
    for (;;) {
        int64_t sequence = atomic_load_explicit(&control->sequence, memory_order_acquire);
        if (!(sequence & 1) || sequence == atomic_load_explicit(&stuck, memory_order_relaxed))
            return sequence;
        if (raw(CLOCK_MONOTONIC) - since > STUCK_NS) {
            atomic_store_explicit(&stuck, sequence, memory_order_relaxed);
            return sequence;
        }
        sched_yield();
    }
}

static void write_note(const struct view *view) {
    struct note *note = &notes->notes[place];
    int64_t sequence = atomic_load(&note->sequence);
    if ((sequence & 1) || !atomic_compare_exchange_strong(&note->sequence, &sequence, sequence + 1))
        return; /* another process's, which has the same place; the next new line is another occasion */
    atomic_store(&note->pid, getpid());
    atomic_store(&note->generation, view->generation);
    atomic_store(&note->true_ns, view->now);
    atomic_store(&note->local_ns, view->local);
    atomic_store(&note->sequence, sequence + 2);
}

static void take_note(const struct view *view) {
    if (atomic_flag_test_and_set(&noting))
        return;
    if (place >= 0 && atomic_load(&noted) != view->generation) {
        write_note(view);
        atomic_store(&noted, view->generation);
    }
    atomic_flag_clear(&noting);
}

/* Read the line and true time as of one moment: the clock is read while the line is known to count. */
static inline void look(struct view *view) {
    for (;;) {
        int64_t sequence = atomic_load_explicit(&control->sequence, memory_order_acquire);
        if (!LIKELY(!(sequence & 1)))
            sequence = await_even();
        copy(&control->lines[atomic_load_explicit(&control->current, memory_order_acquire) & 1], view);
        view->now = raw(CLOCK_MONOTONIC) - control->namespace_ns;
        atomic_thread_fence(memory_order_acquire);
        if (LIKELY(atomic_load_explicit(&control->sequence, memory_order_relaxed) == sequence))
            break;
    }
    int64_t passed = view->now - view->true_base;
    if (passed < 0)
        passed = 0;
    if (view->ppm != MILLION) /* in two parts, lest it overflow; rounded down as Python's // does */
        passed = passed / MILLION * view->ppm + passed % MILLION * view->ppm / MILLION;
    view->local = view->local_base + passed;
    if (!LIKELY(view->generation == atomic_load_explicit(&noted, memory_order_relaxed)) && notes)
        take_note(view);
}

/* How far a clock is ahead of the bent monotonic one; 0 is returned for clocks that are none of ours. */
static inline int distance(clockid_t clock, const struct view *view, int64_t *over) {
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
        *over = 0;
        return 1;
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
        *over = view->wall_over;
        return 1;
    case CLOCK_MONOTONIC_RAW:
        *over = control->raw_over;
        return 1;
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *over = control->boot_over;
        return 1;
    case CLOCK_TAI:
        *over = view->wall_over + control->tai_over;
        return 1;
    default:
        return 0;
    }
}

static inline int is_bent(clockid_t clock) {
    struct view none = {0};
    int64_t over;
    return distance(clock, &none, &over);
}

/* Those that the kernel and glibc let a program wait by; the others are refused as ever, by the real function. */
static inline int is_waitable(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

static inline int is_sleepable(clockid_t clock) {
    return is_waitable(clock) || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

static inline int64_t now_of(clockid_t clock) {
    struct view view;
    int64_t over = 0;
    look(&view);
    distance(clock, &view, &over);
    return view.local + over;
}

/* ---- deadlines -------------------------------------------------------------------------------------------------- */

struct deadline {
    clockid_t clock;
    int64_t at;
};

/* Relative waits are for the monotonic clock, whichever was named: a jump of the wall clock does not touch them. */
static inline struct deadline after(int64_t ns) {
    int64_t now = now_of(CLOCK_MONOTONIC);
    struct deadline deadline = {CLOCK_MONOTONIC, ns > NEVER - now ? NEVER : now + ns};
    return deadline;
}

static inline struct deadline at(clockid_t clock, const struct timespec *spec) {
    struct deadline deadline = {clock, ns_of(spec)};
    return deadline;
}

/* How long to wait in ns of true time, as things are now: 0 if it is due, NEVER if the clock stands still. */
static int64_t left(const struct deadline *deadline) {
    struct view view;
    int64_t over = 0;
    look(&view);
    distance(deadline->clock, &view, &over);
    if (view.local + over >= deadline->at)
        return 0;
    if (view.ppm == 0)
        return NEVER;
    __int128 scaled = ((__int128)deadline->at - over - view.local_base) * MILLION;
    __int128 due = view.true_base + (scaled + view.ppm - 1) / view.ppm; /* the first true time that reads so much */
    __int128 wait = due - view.now;
    return wait < 1 ? 1 : wait > NEVER / 2 ? NEVER : (int64_t)wait;
}

/* The next slice of a wait; ``rest`` is all that is left of it. */
static inline int64_t slice(const struct deadline *deadline, int64_t *rest) {
    *rest = left(deadline);
    return *rest < SLICE_NS ? *rest : SLICE_NS;
}

static inline int is_over(const struct deadline *deadline, int64_t rest) {
    return rest == 0 || left(deadline) == 0;
}

static inline struct timespec raw_after(clockid_t clock, int64_t ns) {
    return spec_of(raw(clock) + ns);
}

/* ---- the beginning, and forks ----------------------------------------------------------------------------------- */

static void forget_keeper(void);

static void take_place(void) {
    atomic_flag_clear(&noting);
    atomic_store(&noted, -1);
    place = notes ? (int)(atomic_fetch_add(&notes->taken, 1) % NOTES) : -1;
}

static void *map(int file, int protection, off_t offset) {
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, REGION, protection, MAP_SHARED, file, offset);
    return mapped == MAP_FAILED ? NULL : mapped;
}

static void in_child(void) {
    take_place();
    forget_keeper();
}

__attribute__((constructor)) static void begin(void) {
    ready();
    const char *path = secure_getenv("ANTIPAXOS_CLOCK");
    if (path == NULL || *path == '\0')
        return;
    int before = errno;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size >= 2 * REGION) {
        struct control *page = map(file, PROT_READ, 0);
        if (page != NULL && page->magic == MAGIC) {
            notes = map(file, PROT_READ | PROT_WRITE, REGION); /* NULL where it may only be read */
            control = page;
        } else if (page != NULL) {
            munmap(page, REGION);
        }
    }
    if (file >= 0)
        close(file);
    if (control != NULL) {
        take_place();
        pthread_atfork(NULL, NULL, in_child);
        struct view view;
        look(&view); /* the first note: this process has the library */
    }
    errno = before;
}

/* ---- clocks ----------------------------------------------------------------------------------------------------- */

EXPORT int clock_gettime(clockid_t clock, struct timespec *spec) {
    struct view view;
    int64_t over = 0;
    ready();
    if (control == NULL || !is_bent(clock))
        return real_clock_gettime(clock, spec);
    look(&view);
    distance(clock, &view, &over);
    *spec = spec_of(view.local + over);
    return 0;
}

#pragma GCC diagnostic ignored "-Wnonnull-compare" /* a program may pass NULL all the same */

static int64_t wall(void) {
    ready();
    return control ? now_of(CLOCK_REALTIME) : raw(CLOCK_REALTIME);
}

EXPORT int gettimeofday(struct timeval *restrict value, void *restrict zone) {
    if (zone != NULL)
        memset(zone, 0, sizeof(struct timezone));
    if (value != NULL) {
        struct timespec spec = spec_of(wall());
        value->tv_sec = spec.tv_sec;
        value->tv_usec = spec.tv_nsec / 1000;
    }
    return 0;
}

EXPORT time_t time(time_t *where) {
    time_t seconds = spec_of(wall()).tv_sec;
    if (where != NULL)
        *where = seconds;
    return seconds;
}

#ifndef TIME_UTC
#define TIME_UTC 1
#endif
#define TIME_OF_MONOTONIC 2 /* C23's TIME_MONOTONIC, as glibc numbers it */

EXPORT int timespec_get(struct timespec *spec, int base) {
    clockid_t clock = base == TIME_OF_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    if (base != TIME_UTC && base != TIME_OF_MONOTONIC)
        return 0;
    return clock_gettime(clock, spec) == 0 ? base : 0;
}

struct timeb_of_old {
    time_t time;
    unsigned short milliseconds;
    short zone, dst;
};

EXPORT int ftime(struct timeb_of_old *value) {
    struct timespec spec = spec_of(wall());
    *value = (struct timeb_of_old){spec.tv_sec, (unsigned short)(spec.tv_nsec / MILLION), 0, 0};
    return 0;
}

/* A bent process lives on somebody's machine, whose clock is none of its business, not even as root. */
EXPORT int clock_settime(clockid_t clock, const struct timespec *spec) {
    ready();
    if (control == NULL)
        return real_clock_settime(clock, spec);
    errno = EPERM;
    return -1;
}

EXPORT int settimeofday(const struct timeval *value, const struct timezone *zone) {
    ready();
    if (control == NULL)
        return real_settimeofday(value, zone);
    errno = EPERM;
    return -1;
}

/* ---- sleeps ----------------------------------------------------------------------------------------------------- */

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *remain) {
    ready();
    if (control == NULL || !is_sleepable(clock) || !is_sane(request) || request->tv_sec < 0)
        return real_clock_nanosleep(clock, flags, request, remain);
    int absolute = flags & TIMER_ABSTIME;
    struct deadline deadline = absolute ? at(clock, request) : after(ns_of(request));
    for (;;) {
        int64_t rest, ns = slice(&deadline, &rest);
        struct timespec spec = spec_of(ns);
        int error = real_clock_nanosleep(CLOCK_MONOTONIC, 0, &spec, NULL);
        if (error == EINTR && !absolute && remain != NULL) {
            int64_t missing = deadline.at - now_of(deadline.clock);
            *remain = spec_of(missing > 0 ? missing : 0);
        }
        if (error != 0)
            return error;
        if (is_over(&deadline, rest))
            return 0;
    }
}

EXPORT int nanosleep(const struct timespec *request, struct timespec *remain) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, request, remain);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

EXPORT int usleep(useconds_t us) {
    struct timespec request = spec_of((int64_t)us * 1000);
    return nanosleep(&request, NULL);
}

EXPORT unsigned sleep(unsigned seconds) {
    struct timespec request = {seconds, 0}, remain = {0, 0};
    return nanosleep(&request, &remain) == 0 ? 0 : (unsigned)remain.tv_sec;
}

EXPORT int thrd_sleep(const struct timespec *request, struct timespec *remain) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, request, remain);
    return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

/* ---- locks and semaphores: a slice that has ended has taken nothing, and the next one begins where it stood ------ */

#define SLICED(deadline, attempt, timed_out)                                                                            \
    for (;;) {                                                                                                          \
        int64_t rest, ns = slice(&(deadline), &rest);                                                                   \
        attempt;                                                                                                        \
        if (!(timed_out) || is_over(&(deadline), rest))                                                                 \
            break;                                                                                                      \
    }

static int wait_for_semaphore(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    struct deadline deadline = at(clock, until);
    int result;
    SLICED(deadline, {
        clockid_t true_clock = real_sem_clockwait ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        struct timespec spec = raw_after(true_clock, ns);
        result = real_sem_clockwait ? real_sem_clockwait(semaphore, true_clock, &spec) : real_sem_timedwait(semaphore, &spec);
    }, result != 0 && errno == ETIMEDOUT)
    return result;
}

EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    ready();
    if (control == NULL || !is_sane(until))
        return real_sem_timedwait(semaphore, until);
    return wait_for_semaphore(semaphore, CLOCK_REALTIME, until);
}

EXPORT int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until) {
    ready();
    if (control == NULL || !is_waitable(clock) || !is_sane(until))
        return real_sem_clockwait(semaphore, clock, until);
    return wait_for_semaphore(semaphore, clock, until);
}

/* All locks with a deadline have the same shape. Not every kind of mutex knows the monotonic clock (EINVAL). */
#define LOCK_UNTIL(name, type, timed, clocked)                                                                          \
    static int name(type *lock, clockid_t clock, const struct timespec *until) {                                        \
        struct deadline deadline = at(clock, until);                                                                    \
        int error;                                                                                                      \
        SLICED(deadline, {                                                                                              \
            struct timespec spec = raw_after(CLOCK_MONOTONIC, ns);                                                      \
            error = real_##clocked ? real_##clocked(lock, CLOCK_MONOTONIC, &spec) : EINVAL;                             \
            if (error == EINVAL) {                                                                                      \
                spec = raw_after(CLOCK_REALTIME, ns);                                                                   \
                error = real_##timed(lock, &spec);                                                                      \
            }                                                                                                           \
        }, error == ETIMEDOUT)                                                                                          \
        return error;                                                                                                   \
    }                                                                                                                   \
    EXPORT int timed(type *restrict lock, const struct timespec *restrict until) {                                      \
        ready();                                                                                                        \
        if (control == NULL || !is_sane(until))                                                                         \
            return real_##timed(lock, until);                                                                           \
        return name(lock, CLOCK_REALTIME, until);                                                                       \
    }                                                                                                                   \
    EXPORT int clocked(type *restrict lock, clockid_t clock, const struct timespec *restrict until) {                   \
        ready();                                                                                                        \
        if (control == NULL || !is_waitable(clock) || !is_sane(until))                                                      \
            return real_##clocked(lock, clock, until);                                                                  \
        return name(lock, clock, until);                                                                                \
    }

LOCK_UNTIL(lock_until, pthread_mutex_t, pthread_mutex_timedlock, pthread_mutex_clocklock)
LOCK_UNTIL(read_lock_until, pthread_rwlock_t, pthread_rwlock_timedrdlock, pthread_rwlock_clockrdlock)
LOCK_UNTIL(write_lock_until, pthread_rwlock_t, pthread_rwlock_timedwrlock, pthread_rwlock_clockwrlock)

EXPORT int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until) {
    int error = pthread_mutex_timedlock((pthread_mutex_t *)mutex, until);
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

EXPORT int pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *until) {
    ready();
    if (control == NULL || until == NULL || !is_sane(until))
        return real_pthread_timedjoin_np(thread, value, until);
    struct deadline deadline = at(CLOCK_REALTIME, until);
    int error;
    SLICED(deadline, {
        struct timespec spec = raw_after(CLOCK_REALTIME, ns);
        error = real_pthread_timedjoin_np(thread, value, &spec);
    }, error == ETIMEDOUT)
    return error;
}

/* ---- condition variables ---------------------------------------------------------------------------------------- */

/* A waiter must not wait again by itself between two slices: a signal that comes then would reach nobody, and only the
 * program knows what it waits for. So the end of a slice is a spurious wakeup, which POSIX allows at any time. It must be
 * rare: Python's lock of the interpreter begins its 5 ms anew after each, and on a slow clock would never be handed over. */
static int wait_for_condition(
    pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until
) {
    struct deadline deadline = at(clock, until);
    int64_t rest = left(&deadline), ns = rest < CONDITION_SLICE_NS ? rest : CONDITION_SLICE_NS;
    struct timespec spec;
    int error;
    if (real_pthread_cond_clockwait) {
        spec = raw_after(CLOCK_MONOTONIC, ns);
        error = real_pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &spec);
    } else {
        spec = raw_after(clock, ns);
        error = real_pthread_cond_timedwait(condition, mutex, &spec);
    }
    return error == ETIMEDOUT && !is_over(&deadline, rest) ? 0 : error;
}

/* Which clock a condition variable waits by was said when it was made; glibc keeps it in this bit since 2.25. */
static clockid_t clock_of(const pthread_cond_t *condition) {
    return condition->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

EXPORT int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until
) {
    ready();
    if (control == NULL || !is_sane(until))
        return real_pthread_cond_timedwait(condition, mutex, until);
    return wait_for_condition(condition, mutex, clock_of(condition), until);
}

EXPORT int pthread_cond_clockwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, clockid_t clock,
    const struct timespec *restrict until
) {
    ready();
    if (control == NULL || !is_waitable(clock) || !is_sane(until))
        return real_pthread_cond_clockwait(condition, mutex, clock, until);
    return wait_for_condition(condition, mutex, clock, until);
}

EXPORT int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    int error = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------ */

static int epoll_once(int epoll, struct epoll_event *events, int most, int64_t ns, const sigset_t *mask) {
    static _Atomic int too_old;
    if (real_epoll_pwait2 && !atomic_load_explicit(&too_old, memory_order_relaxed)) {
        struct timespec spec = spec_of(ns);
        int count = real_epoll_pwait2(epoll, events, most, &spec, mask);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        atomic_store(&too_old, 1); /* the kernel's, or forbidden by a filter */
    }
    return real_epoll_pwait(epoll, events, most, (int)((ns + MILLION - 1) / MILLION), mask);
}

static int epoll_for(int epoll, struct epoll_event *events, int most, int64_t timeout, const sigset_t *mask) {
    struct deadline deadline = after(timeout);
    int count;
    SLICED(deadline, count = epoll_once(epoll, events, most, ns, mask), count == 0)
    return count;
}

EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout_ms, const sigset_t *mask) {
    ready();
    if (control == NULL || timeout_ms <= 0)
        return real_epoll_pwait(epoll, events, most, timeout_ms, mask);
    return epoll_for(epoll, events, most, timeout_ms * MILLION, mask);
}

EXPORT int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms) {
    return epoll_pwait(epoll, events, most, timeout_ms, NULL);
}

EXPORT int epoll_pwait2(
    int epoll, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask
) {
    ready();
    if (real_epoll_pwait2 == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (control == NULL || timeout == NULL || !is_sane(timeout) || timeout->tv_sec < 0 || ns_of(timeout) == 0)
        return real_epoll_pwait2(epoll, events, most, timeout, mask);
    return epoll_for(epoll, events, most, ns_of(timeout), mask);
}

EXPORT int ppoll(struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    ready();
    if (control == NULL || timeout == NULL || !is_sane(timeout) || timeout->tv_sec < 0 || ns_of(timeout) == 0)
        return real_ppoll(files, count, timeout, mask);
    struct deadline deadline = after(ns_of(timeout));
    int found;
    SLICED(deadline, {
        struct timespec spec = spec_of(ns);
        found = real_ppoll(files, count, &spec, mask);
    }, found == 0)
    return found;
}

EXPORT int poll(struct pollfd *files, nfds_t count, int timeout_ms) {
    struct timespec timeout = spec_of(timeout_ms * MILLION);
    return ppoll(files, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* What a program calls that was built with _FORTIFY_SOURCE. */
EXPORT int __poll_chk(struct pollfd *files, nfds_t count, int timeout_ms, size_t bytes) {
    if (bytes / sizeof *files < count)
        abort();
    return poll(files, count, timeout_ms);
}

EXPORT int __ppoll_chk(
    struct pollfd *files, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t bytes
) {
    if (bytes / sizeof *files < count)
        abort();
    return ppoll(files, count, timeout, mask);
}

/* select() empties its sets when nothing was found, so each slice gets them as they were asked for. */
#define SET_WORDS_MAX 1024 /* 65 536 descriptors */

struct asked {
    size_t bytes;
    fd_set *sets[3];
    unsigned long copies[3][SET_WORDS_MAX];
};

static int64_t select_for(struct asked *asked, int count, int64_t timeout, const sigset_t *mask, int *found) {
    struct deadline deadline = after(timeout);
    for (int i = 0; i < 3; i++)
        if (asked->sets[i])
            memcpy(asked->copies[i], asked->sets[i], asked->bytes);
    SLICED(deadline, {
        for (int i = 0; i < 3; i++)
            if (asked->sets[i])
                memcpy(asked->sets[i], asked->copies[i], asked->bytes);
        struct timespec spec = spec_of(ns);
        *found = real_pselect(count, asked->sets[0], asked->sets[1], asked->sets[2], &spec, mask);
    }, *found == 0)
    int64_t missing = deadline.at - now_of(CLOCK_MONOTONIC);
    return missing > 0 ? missing : 0;
}

static inline int is_select_bent(int count, const struct timespec *timeout) {
    return control != NULL && timeout != NULL && is_sane(timeout) && timeout->tv_sec >= 0 && ns_of(timeout) > 0 &&
           count >= 0 && count <= SET_WORDS_MAX * 64;
}

static int select_until(
    int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout, const sigset_t *mask,
    int64_t *missing
) {
    struct asked asked;
    int found;
    asked.bytes = ((size_t)count + 63) / 64 * 8;
    asked.sets[0] = reads;
    asked.sets[1] = writes;
    asked.sets[2] = excepts;
    *missing = select_for(&asked, count, ns_of(timeout), mask, &found);
    return found;
}

EXPORT int pselect(
    int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
    const struct timespec *restrict timeout, const sigset_t *restrict mask
) {
    int64_t missing;
    ready();
    if (!is_select_bent(count, timeout))
        return real_pselect(count, reads, writes, excepts, timeout, mask);
    return select_until(count, reads, writes, excepts, timeout, mask, &missing);
}

EXPORT int select(
    int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts, struct timeval *restrict timeout
) {
    int64_t missing;
    ready();
    if (control == NULL || timeout == NULL || timeout->tv_sec < 0 || timeout->tv_usec < 0)
        return real_select(count, reads, writes, excepts, timeout);
    struct timespec spec = {timeout->tv_sec + timeout->tv_usec / MILLION, timeout->tv_usec % MILLION * 1000};
    if (!is_select_bent(count, &spec))
        return real_select(count, reads, writes, excepts, timeout);
    int found = select_until(count, reads, writes, excepts, &spec, NULL, &missing);
    int before = errno;
    spec = spec_of(missing); /* on Linux the caller gets back what was left */
    timeout->tv_sec = spec.tv_sec;
    timeout->tv_usec = spec.tv_nsec / 1000;
    errno = before;
    return found;
}

/* ---- signals and queues ----------------------------------------------------------------------------------------- */

EXPORT int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict timeout) {
    ready();
    if (control == NULL || timeout == NULL || !is_sane(timeout) || timeout->tv_sec < 0)
        return real_sigtimedwait(set, info, timeout);
    struct deadline deadline = after(ns_of(timeout));
    int number;
    SLICED(deadline, {
        struct timespec spec = spec_of(ns);
        number = real_sigtimedwait(set, info, &spec);
    }, number < 0 && errno == EAGAIN)
    return number;
}

EXPORT int mq_timedsend(int queue, const char *text, size_t bytes, unsigned priority, const struct timespec *until) {
    ready();
    if (control == NULL || until == NULL || !is_sane(until))
        return real_mq_timedsend(queue, text, bytes, priority, until);
    struct deadline deadline = at(CLOCK_REALTIME, until);
    int result;
    SLICED(deadline, {
        struct timespec spec = raw_after(CLOCK_REALTIME, ns);
        result = real_mq_timedsend(queue, text, bytes, priority, &spec);
    }, result < 0 && errno == ETIMEDOUT)
    return result;
}

EXPORT ssize_t mq_timedreceive(
    int queue, char *restrict text, size_t bytes, unsigned *restrict priority, const struct timespec *restrict until
) {
    ready();
    if (control == NULL || until == NULL || !is_sane(until))
        return real_mq_timedreceive(queue, text, bytes, priority, until);
    struct deadline deadline = at(CLOCK_REALTIME, until);
    ssize_t result;
    SLICED(deadline, {
        struct timespec spec = raw_after(CLOCK_REALTIME, ns);
        result = real_mq_timedreceive(queue, text, bytes, priority, &spec);
    }, result < 0 && errno == ETIMEDOUT)
    return result;
}

/* ---- timers that the kernel holds ------------------------------------------------------------------------------- */

enum holder { NOBODY, TIMERFD, POSIX_TIMER, INTERVAL_TIMER };

struct timer {
    enum holder holder;
    intptr_t name; /* descriptor or timer_t */
    clockid_t clock;
    int armed;
    struct deadline due;
    int64_t interval; /* in ns of the bent clock */
    int held;         /* the kernel's is not set, for the clock stands still */
    int64_t true_due; /* when the kernel's goes off first, on its CLOCK_MONOTONIC, and how often then */
    int64_t true_interval;
};

#define TIMERS_MAX 1024
static struct timer timers[TIMERS_MAX];
static pthread_mutex_t timers_lock = PTHREAD_MUTEX_INITIALIZER;
static int keeper_runs;

static void forget_keeper(void) {
    pthread_mutex_init(&timers_lock, NULL); /* whoever held it at the fork is not here */
    keeper_runs = 0;
    for (int i = 0; i < TIMERS_MAX; i++)
        if (timers[i].holder != TIMERFD) /* only descriptors are inherited */
            timers[i] = (struct timer){0};
}

static struct timer *find_timer(enum holder holder, intptr_t name) {
    for (int i = 0; i < TIMERS_MAX; i++)
        if (timers[i].holder == holder && timers[i].name == name)
            return &timers[i];
    return NULL;
}

static struct timer *add_timer(enum holder holder, intptr_t name, clockid_t clock) {
    struct timer *timer = find_timer(holder, name);
    if (timer == NULL)
        timer = find_timer(NOBODY, 0);
    for (int i = 0; timer == NULL && i < TIMERS_MAX; i++)
        if (timers[i].holder == NOBODY)
            timer = &timers[i];
    if (timer != NULL)
        *timer = (struct timer){holder, name, clock, 0, {CLOCK_MONOTONIC, 0}, 0, 0, 0, 0};
    return timer;
}

/* ITIMER_REAL counts in µs, and nothing is "not set". */
static struct itimerval values_of(const struct itimerspec *spec) {
    struct itimerval value = {
        {spec->it_interval.tv_sec, (spec->it_interval.tv_nsec + 999) / 1000},
        {spec->it_value.tv_sec, (spec->it_value.tv_nsec + 999) / 1000},
    };
    for (struct timeval *part = &value.it_interval; part; part = part == &value.it_interval ? &value.it_value : NULL)
        if (part->tv_usec >= MILLION) {
            part->tv_sec++;
            part->tv_usec -= MILLION;
        }
    return value;
}

static int set_real(const struct timer *timer, const struct itimerspec *spec) {
    struct itimerval value;
    switch (timer->holder) {
    case TIMERFD:
        return real_timerfd_settime((int)timer->name, 0, spec, NULL);
    case POSIX_TIMER:
        return real_timer_settime((timer_t)timer->name, 0, spec, NULL);
    default:
        value = values_of(spec);
        return real_setitimer(ITIMER_REAL, &value, NULL);
    }
}

static int get_real(const struct timer *timer, int64_t *ns) {
    struct itimerspec spec = {{0, 0}, {0, 0}};
    struct itimerval value;
    int result;
    switch (timer->holder) {
    case TIMERFD:
        result = real_timerfd_gettime((int)timer->name, &spec);
        break;
    case POSIX_TIMER:
        result = real_timer_gettime((timer_t)timer->name, &spec);
        break;
    default:
        result = real_getitimer(ITIMER_REAL, &value);
        spec.it_value = (struct timespec){value.it_value.tv_sec, value.it_value.tv_usec * 1000};
    }
    *ns = ns_of(&spec.it_value);
    return result;
}

/* Set the kernel's timer to what the line says now; a clock that stands still has none. */
static int arm(struct timer *timer, int64_t wait) {
    struct view view;
    struct itimerspec spec = {{0, 0}, {0, 0}};
    look(&view);
    timer->held = timer->armed && (wait == NEVER || view.ppm == 0);
    if (timer->armed && !timer->held) {
        __int128 interval = ((__int128)timer->interval * MILLION + view.ppm - 1) / view.ppm;
        timer->true_interval = interval > NEVER / 2 ? NEVER / 2 : (int64_t)interval;
        timer->true_due = raw(CLOCK_MONOTONIC) + wait;
        spec.it_value = spec_of(wait < 1 ? 1 : wait);
        spec.it_interval = spec_of(timer->true_interval);
    }
    return set_real(timer, &spec);
}

/* How many times a timer that is first due at ``due`` has gone off until now. */
static int64_t times(int64_t now, int64_t due, int64_t interval) {
    return now < due ? 0 : interval > 0 ? (now - due) / interval + 1 : 1;
}

/* A periodic timer's next time, if the last one is past. */
static void advance(struct timer *timer) {
    if (timer->interval > 0)
        timer->due.at += times(now_of(timer->due.clock), timer->due.at, timer->interval) * timer->interval;
}

/* A periodic timer's next time; returns 1 if its clock has jumped over a time at which the kernel's did not go off. */
static int catch_up(struct timer *timer) {
    int64_t here = times(now_of(timer->due.clock), timer->due.at, timer->interval);
    int64_t there = timer->held ? 0 : times(raw(CLOCK_MONOTONIC), timer->true_due, timer->true_interval);
    timer->due.at += (here > there ? here : there) * timer->interval;
    return here > there;
}

#define NEARLY_NS 100000 /* so far off, the kernel's timer is left as it is */

/* Set one timer anew if the line has changed what it should be. Times that a jump passed over are made up for by one. */
static void keep(struct timer *timer) {
    int64_t real_rest, wait;
    int missed = 0;
    if (get_real(timer, &real_rest) != 0) { /* a descriptor that was closed */
        timer->holder = NOBODY;
        timer->armed = 0;
        return;
    }
    if (real_rest == 0 && timer->interval == 0 && !timer->held) { /* it has gone off */
        timer->armed = 0;
        return;
    }
    if (timer->interval > 0)
        missed = catch_up(timer);
    wait = missed ? 0 : left(&timer->due);
    if (wait == NEVER ? real_rest == 0 : wait - real_rest > -NEARLY_NS && wait - real_rest < NEARLY_NS)
        return;
    if (timer->holder == TIMERFD) { /* setting it anew forgets what nobody has read yet */
        struct pollfd unread = {(int)timer->name, POLLIN, 0};
        struct timespec none = {0, 0};
        if (real_ppoll(&unread, 1, &none, NULL) == 1)
            wait = 0;
    }
    arm(timer, wait);
}

static void *keep_timers(void *unused) {
    int64_t generation = -1;
    (void)unused;
    for (;;) {
        struct timespec pause = spec_of(KEEPER_NS);
        struct view view;
        real_clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        look(&view);
        if (view.generation == generation)
            continue;
        generation = view.generation;
        pthread_mutex_lock(&timers_lock);
        for (int i = 0; i < TIMERS_MAX; i++)
            if (timers[i].armed)
                keep(&timers[i]);
        pthread_mutex_unlock(&timers_lock);
    }
    return NULL;
}

/* Start the thread that sets timers anew; no signal of the program's is ever delivered to it. */
static void start_keeper(void) {
    if (keeper_runs)
        return;
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    keeper_runs = real_pthread_create(&thread, &attributes, keep_timers, NULL) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* What is left of a timer, in the process's own time. */
static void tell(struct timer *timer, struct itimerspec *old) {
    int64_t rest = 0;
    *old = (struct itimerspec){{0, 0}, {0, 0}};
    if (timer->armed) {
        advance(timer);
        rest = timer->due.at - now_of(timer->due.clock);
        if (rest <= 0) {
            int64_t real_rest = 0;
            rest = get_real(timer, &real_rest) == 0 && real_rest > 0; /* due, and about to go off */
        }
    }
    old->it_value = spec_of(rest);
    old->it_interval = spec_of(timer->interval);
}

static int set_timer(struct timer *timer, int absolute, const struct itimerspec *spec, struct itimerspec *old) {
    if (old != NULL)
        tell(timer, old);
    timer->armed = ns_of(&spec->it_value) != 0;
    timer->interval = ns_of(&spec->it_interval);
    timer->due = absolute ? at(timer->clock, &spec->it_value) : after(ns_of(&spec->it_value));
    if (timer->armed)
        start_keeper();
    return arm(timer, left(&timer->due));
}

static int is_sane_timer(const struct itimerspec *spec) {
    return spec != NULL && is_sane(&spec->it_value) && is_sane(&spec->it_interval) && spec->it_value.tv_sec >= 0 &&
           spec->it_interval.tv_sec >= 0;
}

EXPORT int timerfd_create(int clock, int flags) {
    ready();
    int file = real_timerfd_create(clock, flags);
    if (control != NULL && file >= 0 && is_bent(clock)) {
        int before = errno;
        pthread_mutex_lock(&timers_lock);
        add_timer(TIMERFD, file, clock);
        pthread_mutex_unlock(&timers_lock);
        errno = before;
    }
    return file;
}

/* A timerfd that was made elsewhere (inherited, received, or a copy of a descriptor) says itself by which clock it is. */
static struct timer *adopt(int file) {
    char path[64], line[128];
    int clock = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file);
    FILE *info = fopen(path, "re");
    while (info != NULL && fgets(line, sizeof line, info) != NULL)
        if (sscanf(line, "clockid: %d", &clock) == 1)
            break;
    if (info != NULL)
        fclose(info);
    return clock >= 0 && is_bent(clock) ? add_timer(TIMERFD, file, clock) : NULL;
}

EXPORT int timerfd_settime(int file, int flags, const struct itimerspec *spec, struct itimerspec *old) {
    ready();
    if (control == NULL || !is_sane_timer(spec))
        return real_timerfd_settime(file, flags, spec, old);
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = find_timer(TIMERFD, file);
    if (timer == NULL)
        timer = adopt(file);
    int result = timer ? set_timer(timer, flags & TFD_TIMER_ABSTIME, spec, old)
                       : real_timerfd_settime(file, flags, spec, old);
    pthread_mutex_unlock(&timers_lock);
    return result;
}

EXPORT int timerfd_gettime(int file, struct itimerspec *now) {
    ready();
    if (control == NULL)
        return real_timerfd_gettime(file, now);
    int result = real_timerfd_gettime(file, now); /* refuses what is none */
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = result == 0 ? find_timer(TIMERFD, file) : NULL;
    if (timer != NULL)
        tell(timer, now);
    pthread_mutex_unlock(&timers_lock);
    return result;
}

EXPORT int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer) {
    ready();
    int result = real_timer_create(clock, event, timer);
    if (control != NULL && result == 0 && is_bent(clock)) {
        pthread_mutex_lock(&timers_lock);
        add_timer(POSIX_TIMER, (intptr_t)*timer, clock);
        pthread_mutex_unlock(&timers_lock);
    }
    return result;
}

EXPORT int timer_settime(timer_t name, int flags, const struct itimerspec *restrict spec, struct itimerspec *restrict old) {
    ready();
    if (control == NULL || !is_sane_timer(spec))
        return real_timer_settime(name, flags, spec, old);
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = find_timer(POSIX_TIMER, (intptr_t)name);
    int result = timer ? set_timer(timer, flags & TIMER_ABSTIME, spec, old) : real_timer_settime(name, flags, spec, old);
    pthread_mutex_unlock(&timers_lock);
    return result;
}

EXPORT int timer_gettime(timer_t name, struct itimerspec *now) {
    ready();
    int result = real_timer_gettime(name, now);
    if (control == NULL || result != 0)
        return result;
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = find_timer(POSIX_TIMER, (intptr_t)name);
    if (timer != NULL)
        tell(timer, now);
    pthread_mutex_unlock(&timers_lock);
    return result;
}

EXPORT int timer_delete(timer_t name) {
    ready();
    if (control != NULL) {
        pthread_mutex_lock(&timers_lock);
        struct timer *timer = find_timer(POSIX_TIMER, (intptr_t)name);
        if (timer != NULL)
            *timer = (struct timer){0};
        pthread_mutex_unlock(&timers_lock);
    }
    return real_timer_delete(name);
}

static struct itimerspec spec_of_values(const struct itimerval *value) {
    struct itimerspec spec = {
        {value->it_interval.tv_sec, value->it_interval.tv_usec * 1000},
        {value->it_value.tv_sec, value->it_value.tv_usec * 1000},
    };
    return spec;
}

EXPORT int setitimer(__itimer_which_t which, const struct itimerval *restrict value, struct itimerval *restrict old) {
    ready();
    struct itimerspec spec = value ? spec_of_values(value) : (struct itimerspec){{0, 0}, {0, 0}};
    if (control == NULL || which != ITIMER_REAL || !is_sane_timer(&spec))
        return real_setitimer(which, value, old);
    struct itimerspec before;
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = find_timer(INTERVAL_TIMER, 0);
    if (timer == NULL)
        timer = add_timer(INTERVAL_TIMER, 0, CLOCK_MONOTONIC);
    int result = timer ? set_timer(timer, 0, &spec, &before) : real_setitimer(which, value, old);
    pthread_mutex_unlock(&timers_lock);
    if (timer != NULL && old != NULL)
        *old = values_of(&before);
    return result;
}

EXPORT int getitimer(__itimer_which_t which, struct itimerval *value) {
    ready();
    int result = real_getitimer(which, value);
    if (control == NULL || which != ITIMER_REAL || result != 0)
        return result;
    pthread_mutex_lock(&timers_lock);
    struct timer *timer = find_timer(INTERVAL_TIMER, 0);
    if (timer != NULL) {
        struct itimerspec now;
        tell(timer, &now);
        *value = values_of(&now);
    }
    pthread_mutex_unlock(&timers_lock);
    return result;
}

EXPORT unsigned alarm(unsigned seconds) {
    struct itimerval value = {{0, 0}, {seconds, 0}}, old = {{0, 0}, {0, 0}};
    if (setitimer(ITIMER_REAL, &value, &old) != 0)
        return 0;
    return (unsigned)(old.it_value.tv_sec + (old.it_value.tv_usec >= 500000 || (!old.it_value.tv_sec && old.it_value.tv_usec)));
}

/* ---- system calls by number ------------------------------------------------------------------------------------- */

#define FUTEX_OPERATION 127
#define FUTEX_BY_WALL 256
enum { FUTEX_WAITS = 0, FUTEX_LOCKS_PI = 6, FUTEX_WAITS_BITSET = 9, FUTEX_LOCKS_PI2 = 13 };

/* A futex whose word has changed between two slices says EAGAIN, which its caller has to expect anyway. */
static long futex(long word, long operation, long value, const struct timespec *timeout, long second, long bits) {
    int what = operation & FUTEX_OPERATION;
    int relative = what == FUTEX_WAITS;
    int by_wall = what == FUTEX_LOCKS_PI || (operation & FUTEX_BY_WALL);
    struct deadline deadline = relative ? after(ns_of(timeout)) : at(by_wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, timeout);
    clockid_t true_clock = by_wall ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    long result;
    SLICED(deadline, {
        struct timespec spec = relative ? spec_of(ns) : raw_after(true_clock, ns);
        result = real_syscall(SYS_futex, word, operation, value, &spec, second, bits);
    }, result < 0 && errno == ETIMEDOUT)
    return result;
}

static int is_bent_futex(long operation, const struct timespec *timeout) {
    switch (operation & FUTEX_OPERATION) {
    case FUTEX_WAITS:
    case FUTEX_WAITS_BITSET:
    case FUTEX_LOCKS_PI:
    case FUTEX_LOCKS_PI2:
        return timeout != NULL && is_sane(timeout) && timeout->tv_sec >= 0;
    default:
        return 0;
    }
}

EXPORT long syscall(long number, ...) {
    long a, b, c, d, e, f;
    va_list list;
    va_start(list, number);
    a = va_arg(list, long);
    b = va_arg(list, long);
    c = va_arg(list, long);
    d = va_arg(list, long);
    e = va_arg(list, long);
    f = va_arg(list, long);
    va_end(list);
    ready();
    if (control != NULL) {
        switch (number) {
        case SYS_futex:
            if (is_bent_futex(b, (const struct timespec *)d))
                return futex(a, b, c, (const struct timespec *)d, e, f);
            break;
        case SYS_clock_gettime:
            return clock_gettime((clockid_t)a, (struct timespec *)b);
        case SYS_gettimeofday:
            return gettimeofday((struct timeval *)a, (void *)b);
#ifdef SYS_time
        case SYS_time:
            return time((time_t *)a);
#endif
        case SYS_nanosleep:
            return nanosleep((const struct timespec *)a, (struct timespec *)b);
        case SYS_clock_nanosleep: {
            int error = clock_nanosleep((clockid_t)a, (int)b, (const struct timespec *)c, (struct timespec *)d);
            if (error != 0)
                errno = error;
            return error == 0 ? 0 : -1;
        }
#ifdef SYS_epoll_wait
        case SYS_epoll_wait:
            return epoll_wait((int)a, (struct epoll_event *)b, (int)c, (int)d);
#endif
        case SYS_epoll_pwait:
            return epoll_pwait((int)a, (struct epoll_event *)b, (int)c, (int)d, (const sigset_t *)e);
#ifdef SYS_poll
        case SYS_poll:
            return poll((struct pollfd *)a, (nfds_t)b, (int)c);
#endif
        default:
            break;
        }
    }
    return real_syscall(number, a, b, c, d, e, f);
}
