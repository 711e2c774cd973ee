/* Journals what a program does to the files in one folder, and lets its disk fail, lie and stall.
 *
 * Preloaded into a program. Files are known by where their descriptors point (/proc/self/fd), so duplicated, inherited and
 * received descriptors need no bookkeeping. Every change is written down before it is made, with the bytes that it
 * overwrites; new names are written down after, as one that nobody knows of is removed when the power goes. A lock, in
 * the process and between processes, keeps the journal in the order of what happened. The journal is an ordinary file:
 * it survives the program's death by SIGKILL, and a record that was cut off by it belongs to a change that was not made.
 *
 * A file that loses a name gets another one among the graves, so that it can be given back.
 *
 * Calls are made as system calls, and time is read by one: other preloaded libraries are none of this one's business.
 * What goes past it is counted (control->unseen): shared writable mappings, stdio, O_TMPFILE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ != 8
#error "64-bit machines only"
#endif
#undef open
#undef openat
#undef creat
#define EXPORT __attribute__((visibility("default")))
#define MAGIC 0x3130736b73696461ull
#define SYNC_NS_MIN 300000ull
#define WAIT_NS 1000000l
#define COPY_MAX (1 << 20)

struct control { /* nemesis/shim/page.py knows this layout */
    uint64_t magic, times, stalled, fails_next, fails_next_write, full, lies, misread_ppm, abandoned, draws, log_limit;
    uint64_t slowed, failed, refused, lied, misread, unseen, overflows;
};

enum { WRITE = 1, SIZE, SYNC, SYNC_NAMES, LIE, LIE_NAMES, FAIL, END, NAMED, REMOVED, RENAMED, CANCEL, SYNC_ALL };

struct record { /* nemesis/shim/shimmed.py knows this layout */
    uint32_t bytes;
    uint16_t type, first, second, unused;
    uint32_t unused_too;
    uint64_t inode, offset, size, size_before, folder, to_folder;
};

static struct control *control;
static char root[PATH_MAX], graves[PATH_MAX], journal_path[PATH_MAX + 8];
static size_t root_length;
static int journal = -1;
static ino_t journal_inode;
static int mapped; /* this process has a writable mapping of a file of ours */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define BUMP(counter) __atomic_add_fetch(&control->counter, 1, __ATOMIC_RELAXED)
#define READ(field) __atomic_load_n(&control->field, __ATOMIC_RELAXED)

static void open_journal(void) {
    journal = syscall(SYS_openat, AT_FDCWD, journal_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (journal >= 0 && journal < 900) { /* out of the way of programs that expect low numbers */
        int high = syscall(SYS_fcntl, journal, F_DUPFD_CLOEXEC, 900);
        if (high >= 0) {
            syscall(SYS_close, journal);
            journal = high;
        }
    }
    struct stat found;
    if (journal >= 0 && fstat(journal, &found) == 0) journal_inode = found.st_ino;
}

static void after_fork(void) { /* a lock of the parent's own would not keep the child out */
    pthread_mutex_init(&mutex, NULL);
    if (control) open_journal();
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("ANTIPAXOS_DISK_FOLDER"), *state = getenv("ANTIPAXOS_DISK_STATE");
    if (!folder || !state || strlen(folder) >= PATH_MAX || strlen(state) >= PATH_MAX - 16) return;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/control", state);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (page == MAP_FAILED || ((struct control *)page)->magic != MAGIC) return;
    strcpy(root, folder);
    root_length = strlen(root);
    snprintf(graves, sizeof graves, "%s/graves", state);
    snprintf(journal_path, sizeof journal_path, "%s/journal", state);
    control = page;
    open_journal();
    if (journal < 0) control = NULL;
    pthread_atfork(NULL, NULL, after_fork);
}

/* -- the journal ----------------------------------------------------------------------------------------------- */

static void enter(void) {
    int kept = errno;
    struct stat found;
    pthread_mutex_lock(&mutex);
    /* A program that closes every descriptor it can has closed this one, and may have another file there by now. */
    if (fstat(journal, &found) < 0 || found.st_ino != journal_inode) open_journal();
    while (syscall(SYS_flock, journal, LOCK_EX) < 0 && errno == EINTR) {}
    errno = kept;
}

static void leave(void) {
    int kept = errno;
    syscall(SYS_flock, journal, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

static void note(struct record *record, const char *first, const char *second, const void *before, size_t size) {
    int kept = errno;
    record->first = first ? strlen(first) : 0;
    record->second = second ? strlen(second) : 0;
    record->bytes = sizeof *record + record->first + record->second + size;
    struct iovec parts[4] = {{record, sizeof *record},
                             {(void *)first, record->first},
                             {(void *)second, record->second},
                             {(void *)before, size}};
    struct stat now;
    if (fstat(journal, &now) == 0 && (uint64_t)now.st_size + record->bytes > READ(log_limit)) BUMP(overflows);
    else if (syscall(SYS_writev, journal, parts, 4) != (long)record->bytes) BUMP(overflows);
    errno = kept;
}

static void note_simply(int type, uint64_t inode) {
    struct record record = {.type = type, .inode = inode, .folder = inode};
    note(&record, NULL, NULL, NULL, 0);
}

static int within(const char *path) {
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* Whether a descriptor is of a file or folder of ours; if so, what it is. */
static int ours(int fd, struct stat *found) {
    if (!control || fd < 0) return 0;
    int kept = errno;
    char name[32], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
    int is = 0;
    if (length > 0) {
        path[length] = 0;
        is = within(path) && fstat(fd, found) == 0 && (S_ISREG(found->st_mode) || S_ISDIR(found->st_mode));
    }
    errno = kept;
    return is;
}

/* Read what is at a place of an open file, however it was opened; NULL if there is nothing or it cannot be read. */
static void *before_of(int fd, off_t offset, size_t size) {
    if (!size) return NULL;
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    char *data = reader < 0 ? NULL : malloc(size);
    size_t got = 0;
    while (data && got < size) {
        ssize_t more = syscall(SYS_pread64, reader, data + got, size - got, offset + got);
        if (more <= 0) {
            free(data);
            data = NULL;
        } else got += more;
    }
    if (reader >= 0) syscall(SYS_close, reader);
    if (!data) BUMP(unseen);
    return data;
}

static void note_write(int fd, const struct stat *found, off_t offset, size_t size) {
    size_t over = offset < found->st_size ? (size_t)(found->st_size - offset) : 0;
    if (over > size) over = size;
    void *before = before_of(fd, offset, over);
    struct record record = {.type = WRITE, .inode = found->st_ino, .offset = offset, .size = size,
                            .size_before = found->st_size};
    note(&record, NULL, NULL, before, before ? over : 0);
    free(before);
}

static void note_size(int fd, const struct stat *found, off_t size) {
    size_t over = size < found->st_size ? (size_t)(found->st_size - size) : 0;
    void *before = before_of(fd, size, over);
    struct record record = {.type = SIZE, .inode = found->st_ino, .offset = size, .size_before = found->st_size};
    note(&record, NULL, NULL, before, before ? over : 0);
    free(before);
}

/* -- troubles -------------------------------------------------------------------------------------------------- */

static int refused(void) {
    uint64_t armed = 1;
    if (__atomic_compare_exchange_n(&control->fails_next_write, &armed, 0, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        BUMP(failed);
        errno = EIO;
        return 1;
    }
    if (READ(full)) {
        BUMP(refused);
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static uint64_t now_ns(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void rest(uint64_t ns) {
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    syscall(SYS_nanosleep, &time, NULL);
}

/* Take as long as a sync has to; 0 when it has ended, -1 if the program is being killed. */
static int wait_as_told(uint64_t took) {
    uint64_t times = READ(times);
    if (READ(stalled) || times > 1) BUMP(slowed);
    uint64_t deadline = now_ns() + (took < SYNC_NS_MIN ? SYNC_NS_MIN : took) * (times ? times - 1 : 0);
    while (!READ(abandoned)) {
        uint64_t now = now_ns();
        if (!READ(stalled) && now >= deadline) return 0;
        rest(READ(stalled) || deadline - now > WAIT_NS ? WAIT_NS : deadline - now);
    }
    errno = EIO;
    return -1;
}

static int sync_told(int fd, const struct stat *found) {
    int folder = S_ISDIR(found->st_mode);
    uint64_t armed = 1, began;
    enter();
    if (!folder &&
        __atomic_compare_exchange_n(&control->fails_next, &armed, 0, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        BUMP(failed);
        note_simply(FAIL, found->st_ino);
        leave();
        errno = EIO;
        return -1;
    }
    if (READ(lies)) {
        BUMP(lied);
        note_simply(folder ? LIE_NAMES : LIE, found->st_ino);
    } else note_simply(folder ? SYNC_NAMES : SYNC, found->st_ino);
    leave();
    began = now_ns();
    if (syscall(SYS_fdatasync, fd) < 0) return -1;
    if (wait_as_told(now_ns() - began) < 0) return -1;
    enter();
    int dead = READ(abandoned) != 0;
    if (!dead) note_simply(END, 0);
    leave();
    errno = EIO;
    return dead ? -1 : 0;
}

EXPORT int fdatasync(int fd) {
    struct stat found;
    return ours(fd, &found) ? sync_told(fd, &found) : syscall(SYS_fdatasync, fd);
}

EXPORT int fsync(int fd) {
    struct stat found;
    return ours(fd, &found) ? sync_told(fd, &found) : syscall(SYS_fsync, fd);
}

EXPORT int sync_file_range(int fd, off64_t offset, off64_t size, unsigned int flags) {
    return syscall(SYS_sync_file_range, fd, offset, size, flags); /* promises nothing */
}

/* -- writing --------------------------------------------------------------------------------------------------- */

/* Write as the kernel would; an offset of -1 is the file's own position. */
static ssize_t write_told(int fd, const struct stat *found, const struct iovec *parts, int count, off_t offset, int flags) {
    struct stat now = *found;
    int mode = syscall(SYS_fcntl, fd, F_GETFL);
    size_t size = 0;
    for (int part = 0; part < count; part++) size += parts[part].iov_len;
    enter();
    if (refused()) {
        leave();
        return -1;
    }
    fstat(fd, &now);
    off_t at = (mode & O_APPEND) || (flags & RWF_APPEND) ? now.st_size
               : offset == -1                            ? syscall(SYS_lseek, fd, 0, SEEK_CUR)
                                                         : offset;
    if (size && at >= 0) note_write(fd, &now, at, size);
    ssize_t done = offset == -1 && !flags ? syscall(SYS_writev, fd, parts, count)
                                          : syscall(SYS_pwritev2, fd, parts, (long)count, offset, 0l, (long)flags);
    leave();
    if (done >= 0 && ((mode & (O_DSYNC | O_SYNC)) || (flags & (RWF_DSYNC | RWF_SYNC))) && sync_told(fd, found) < 0)
        return -1;
    return done;
}

EXPORT ssize_t write(int fd, const void *data, size_t size) {
    struct stat found;
    struct iovec part = {(void *)data, size};
    return ours(fd, &found) ? write_told(fd, &found, &part, 1, -1, 0) : syscall(SYS_write, fd, data, size);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    struct stat found;
    struct iovec part = {(void *)data, size};
    if (offset < 0 || !ours(fd, &found)) return syscall(SYS_pwrite64, fd, data, size, offset);
    return write_told(fd, &found, &part, 1, offset, 0);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct stat found;
    return ours(fd, &found) ? write_told(fd, &found, parts, count, -1, 0) : syscall(SYS_writev, fd, parts, count);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    struct stat found;
    if (offset < -1 || !ours(fd, &found))
        return syscall(SYS_pwritev2, fd, parts, (long)count, offset, 0l, (long)flags);
    return write_told(fd, &found, parts, count, offset, flags);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    return pwritev2(fd, parts, count, offset, flags);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    struct stat found;
    if (offset < 0 || !ours(fd, &found)) return syscall(SYS_pwritev, fd, parts, (long)count, offset, 0l);
    return write_told(fd, &found, parts, count, offset, 0);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
    return pwritev(fd, parts, count, offset);
}

EXPORT int ftruncate(int fd, off_t size) {
    struct stat found;
    if (!ours(fd, &found)) return syscall(SYS_ftruncate, fd, size);
    enter();
    fstat(fd, &found);
    if (size >= 0) note_size(fd, &found, size);
    int done = syscall(SYS_ftruncate, fd, size);
    leave();
    return done;
}

EXPORT int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

EXPORT int truncate(const char *path, off_t size) {
    int fd = control ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return syscall(SYS_truncate, path, size);
    int done = ftruncate(fd, size);
    int kept = errno;
    syscall(SYS_close, fd);
    errno = kept;
    return done;
}

EXPORT int truncate64(const char *path, off_t size) { return truncate(path, size); }

EXPORT int fallocate(int fd, int mode, off_t offset, off_t size) {
    struct stat found;
    if (!ours(fd, &found)) return syscall(SYS_fallocate, fd, mode, offset, size);
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    enter();
    fstat(fd, &found);
    if (refused()) {
        leave();
        return -1;
    }
    off_t end = offset + size;
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        off_t until = (mode & FALLOC_FL_KEEP_SIZE) && end > found.st_size ? found.st_size : end;
        if (until > offset) note_write(fd, &found, offset, until - offset);
    } else if (!(mode & FALLOC_FL_KEEP_SIZE) && end > found.st_size) note_size(fd, &found, end);
    int done = syscall(SYS_fallocate, fd, mode, offset, size);
    leave();
    return done;
}

EXPORT int fallocate64(int fd, int mode, off_t offset, off_t size) { return fallocate(fd, mode, offset, size); }

EXPORT int posix_fallocate(int fd, off_t offset, off_t size) {
    int kept = errno, failed = fallocate(fd, 0, offset, size) < 0 ? errno : 0;
    errno = kept;
    return failed;
}

EXPORT int posix_fallocate64(int fd, off_t offset, off_t size) { return posix_fallocate(fd, offset, size); }

EXPORT ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags) {
    struct stat found;
    if (!ours(to, &found)) return syscall(SYS_copy_file_range, from, from_at, to, to_at, size, flags);
    if (size > COPY_MAX) size = COPY_MAX;
    enter();
    if (refused()) {
        leave();
        return -1;
    }
    fstat(to, &found);
    note_write(to, &found, to_at ? *to_at : syscall(SYS_lseek, to, 0, SEEK_CUR), size);
    ssize_t done = syscall(SYS_copy_file_range, from, from_at, to, to_at, size, flags);
    leave();
    return done;
}

EXPORT ssize_t sendfile(int to, int from, off_t *from_at, size_t size) {
    struct stat found;
    if (!ours(to, &found)) return syscall(SYS_sendfile, to, from, from_at, size);
    if (size > COPY_MAX) size = COPY_MAX;
    enter();
    if (refused()) {
        leave();
        return -1;
    }
    fstat(to, &found);
    note_write(to, &found, syscall(SYS_lseek, to, 0, SEEK_CUR), size);
    ssize_t done = syscall(SYS_sendfile, to, from, from_at, size);
    leave();
    return done;
}

EXPORT ssize_t sendfile64(int to, int from, off_t *from_at, size_t size) { return sendfile(to, from, from_at, size); }

/* -- reading --------------------------------------------------------------------------------------------------- */

static uint64_t draw(uint64_t below) { /* splitmix64 */
    uint64_t z = __atomic_add_fetch(&control->draws, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

static ssize_t misread(int fd, void *data, ssize_t size) {
    struct stat found;
    if (size > 0 && control && READ(misread_ppm) && ours(fd, &found) && draw(1000000) < READ(misread_ppm)) {
        BUMP(misread);
        ((char *)data)[draw(size)] ^= 1 << draw(8);
    }
    return size;
}

EXPORT ssize_t read(int fd, void *data, size_t size) { return misread(fd, data, syscall(SYS_read, fd, data, size)); }

EXPORT ssize_t pread(int fd, void *data, size_t size, off_t offset) {
    return misread(fd, data, syscall(SYS_pread64, fd, data, size, offset));
}

EXPORT ssize_t pread64(int fd, void *data, size_t size, off_t offset) { return pread(fd, data, size, offset); }
EXPORT ssize_t __read_chk(int fd, void *data, size_t size, size_t room) { return read(fd, data, size < room ? size : room); }
EXPORT ssize_t __pread_chk(int fd, void *data, size_t size, off_t at, size_t room) {
    return pread(fd, data, size < room ? size : room, at);
}
EXPORT ssize_t __pread64_chk(int fd, void *data, size_t size, off_t at, size_t room) {
    return pread(fd, data, size < room ? size : room, at);
}

/* -- names ----------------------------------------------------------------------------------------------------- */

struct place { /* a name in a folder of ours */
    int fd;
    uint64_t folder;
    char name[NAME_MAX + 1];
};

/* Find the folder that a path's last name is in; 0 if that is none of ours. */
static int find(int at, const char *path, struct place *place) {
    if (!control || !path) return 0;
    int kept = errno;
    char above[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    size_t start = length;
    while (start > 0 && path[start - 1] != '/') start--;
    struct stat found;
    int is = 0;
    place->fd = -1;
    if (length && length < PATH_MAX && length - start <= NAME_MAX) {
        memcpy(place->name, path + start, length - start);
        place->name[length - start] = 0;
        memcpy(above, path, start);
        strcpy(above + start, start ? "" : ".");
        place->fd = syscall(SYS_openat, at, above, O_PATH | O_DIRECTORY | O_CLOEXEC);
        is = place->fd >= 0 && ours(place->fd, &found);
        place->folder = is ? found.st_ino : 0;
    }
    if (!is && place->fd >= 0) syscall(SYS_close, place->fd);
    errno = kept;
    return is;
}

static void release(struct place *place) {
    int kept = errno;
    syscall(SYS_close, place->fd);
    errno = kept;
}

static int look(const struct place *place, struct stat *found) {
    int kept = errno, there = fstatat(place->fd, place->name, found, AT_SYMLINK_NOFOLLOW) == 0;
    errno = kept;
    return there;
}

static void note_named(const struct place *place) {
    struct stat found;
    if (!look(place, &found)) return;
    struct record record = {.type = NAMED, .inode = found.st_ino, .folder = place->folder};
    note(&record, place->name, NULL, NULL, 0);
}

/* Keep a file that is about to lose a name. */
static void bury(const struct place *place, const struct stat *found) {
    int kept = errno;
    char grave[PATH_MAX + 32];
    snprintf(grave, sizeof grave, "%s/%llu", graves, (unsigned long long)found->st_ino);
    if (!S_ISDIR(found->st_mode) &&
        syscall(SYS_linkat, place->fd, place->name, AT_FDCWD, grave, 0) < 0 && errno != EEXIST)
        BUMP(unseen);
    errno = kept;
}

static int open_told(int at, const char *path, int flags, mode_t mode) {
    struct place place;
    struct stat found;
    if ((flags & O_TMPFILE) == O_TMPFILE && control) BUMP(unseen);
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !find(at, path, &place))
        return syscall(SYS_openat, at, path, flags, mode);
    enter();
    int there = look(&place, &found), fd = -1;
    if (!there && (flags & O_CREAT) && refused()) goto out;
    if (there && (flags & O_TRUNC) && S_ISREG(found.st_mode) && !(flags & O_EXCL)) {
        int reader = syscall(SYS_openat, place.fd, place.name, O_RDONLY | O_CLOEXEC);
        if (reader >= 0) {
            note_size(reader, &found, 0);
            syscall(SYS_close, reader);
        } else BUMP(unseen);
    }
    fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && !there) note_named(&place);
out:
    leave();
    release(&place);
    return fd;
}

#define MODE(flags)                                  \
    mode_t mode = 0;                                 \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {         \
        va_list rest_of;                             \
        va_start(rest_of, flags);                    \
        mode = va_arg(rest_of, mode_t);              \
        va_end(rest_of);                             \
    }

EXPORT int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_told(AT_FDCWD, path, flags, mode);
}
EXPORT int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_told(AT_FDCWD, path, flags, mode);
}
EXPORT int openat(int at, const char *path, int flags, ...) {
    MODE(flags)
    return open_told(at, path, flags, mode);
}
EXPORT int openat64(int at, const char *path, int flags, ...) {
    MODE(flags)
    return open_told(at, path, flags, mode);
}
EXPORT int __open_2(const char *path, int flags) { return open_told(AT_FDCWD, path, flags, 0); }
EXPORT int __open64_2(const char *path, int flags) { return open_told(AT_FDCWD, path, flags, 0); }
EXPORT int __openat_2(int at, const char *path, int flags) { return open_told(at, path, flags, 0); }
EXPORT int __openat64_2(int at, const char *path, int flags) { return open_told(at, path, flags, 0); }
EXPORT int creat(const char *path, mode_t mode) { return open_told(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
EXPORT int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static int is_empty(const struct place *place) {
    int kept = errno, fd = syscall(SYS_openat, place->fd, place->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char entries[512];
    long got, seen = 0;
    while (fd >= 0 && (got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
        for (long at = 0; at < got; at += *(uint16_t *)(entries + at + 16)) seen++;
    if (fd >= 0) syscall(SYS_close, fd);
    errno = kept;
    return seen <= 2;
}

/* A folder is not removed but moved to the graves: its number must not be given to anything else. */
static int remove_folder_told(struct place *place, const struct stat *found) {
    char grave[PATH_MAX + 32];
    if (!is_empty(place)) {
        errno = ENOTEMPTY;
        return -1;
    }
    struct record record = {.type = REMOVED, .inode = found->st_ino, .folder = place->folder};
    note(&record, place->name, NULL, NULL, 0);
    snprintf(grave, sizeof grave, "%s/%llu", graves, (unsigned long long)found->st_ino);
    int done = syscall(SYS_renameat2, place->fd, place->name, AT_FDCWD, grave, 0);
    if (done < 0) note_simply(CANCEL, 0);
    return done;
}

static int remove_told(int at, const char *path, int flags) {
    struct place place;
    struct stat found;
    if (!find(at, path, &place)) return syscall(SYS_unlinkat, at, path, flags);
    enter();
    int there = look(&place, &found);
    if (there && (flags & AT_REMOVEDIR) && S_ISDIR(found.st_mode)) {
        int removed = remove_folder_told(&place, &found);
        leave();
        release(&place);
        return removed;
    }
    if (there) {
        bury(&place, &found);
        struct record record = {.type = REMOVED, .inode = found.st_ino, .folder = place.folder};
        note(&record, place.name, NULL, NULL, 0);
    }
    int done = syscall(SYS_unlinkat, at, path, flags);
    if (there && done < 0) note_simply(CANCEL, 0);
    leave();
    release(&place);
    return done;
}

EXPORT int unlink(const char *path) { return remove_told(AT_FDCWD, path, 0); }
EXPORT int unlinkat(int at, const char *path, int flags) { return remove_told(at, path, flags); }
EXPORT int rmdir(const char *path) { return remove_told(AT_FDCWD, path, AT_REMOVEDIR); }
EXPORT int remove(const char *path) {
    int done = unlink(path);
    return done < 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : done;
}

static int rename_told(int from, const char *old, int to, const char *new, unsigned int flags) {
    struct place source, target;
    struct stat moved, replaced;
    int known = find(from, old, &source), into = find(to, new, &target), done;
    if (!known || !into) {
        if (known) release(&source);
        if (into) release(&target);
        if (known != into) { /* out of the disk or into it: no rename on one */
            errno = EXDEV;
            return -1;
        }
        return syscall(SYS_renameat2, from, old, to, new, flags);
    }
    if (flags & ~RENAME_NOREPLACE) {
        release(&source);
        release(&target);
        errno = EINVAL;
        return -1;
    }
    enter();
    int there = look(&source, &moved), over = look(&target, &replaced);
    int noted = there && !(over && replaced.st_ino == moved.st_ino);
    if (noted) {
        if (over && !(flags & RENAME_NOREPLACE)) bury(&target, &replaced);
        struct record record = {.type = RENAMED, .inode = moved.st_ino, .folder = source.folder,
                                .to_folder = target.folder};
        note(&record, source.name, target.name, NULL, 0);
    }
    done = syscall(SYS_renameat2, from, old, to, new, flags);
    if (noted && done < 0) note_simply(CANCEL, 0);
    leave();
    release(&source);
    release(&target);
    return done;
}

EXPORT int rename(const char *old, const char *new) { return rename_told(AT_FDCWD, old, AT_FDCWD, new, 0); }
EXPORT int renameat(int from, const char *old, int to, const char *new) { return rename_told(from, old, to, new, 0); }
EXPORT int renameat2(int from, const char *old, int to, const char *new, unsigned int flags) {
    return rename_told(from, old, to, new, flags);
}

#define MAKE(at, path, call)                  \
    struct place place;                       \
    if (!find(at, path, &place)) return call; \
    enter();                                  \
    int done = refused() ? -1 : call;         \
    if (done == 0) note_named(&place);        \
    leave();                                  \
    release(&place);                          \
    return done;

EXPORT int mkdirat(int at, const char *path, mode_t mode) { MAKE(at, path, (int)syscall(SYS_mkdirat, at, path, mode)) }
EXPORT int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
EXPORT int symlinkat(const char *to, int at, const char *path) {
    MAKE(at, path, (int)syscall(SYS_symlinkat, to, at, path))
}
EXPORT int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }
EXPORT int linkat(int from, const char *old, int at, const char *path, int flags) {
    MAKE(at, path, (int)syscall(SYS_linkat, from, old, at, path, flags))
}
EXPORT int link(const char *old, const char *path) { return linkat(AT_FDCWD, old, AT_FDCWD, path, 0); }

/* -- what goes past -------------------------------------------------------------------------------------------- */

EXPORT void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset) {
    struct stat found;
    if ((protection & PROT_WRITE) && (flags & MAP_SHARED) && fd >= 0 && ours(fd, &found)) {
        BUMP(unseen);
        mapped = 1;
    }
    return (void *)syscall(SYS_mmap, where, size, protection, flags, fd, offset);
}
EXPORT void *mmap64(void *where, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap(where, size, protection, flags, fd, offset);
}

/* Whose pages these are is not known, so all is durable that was written: it must never be too little. */
static void all_is_durable(void) {
    enter();
    note_simply(SYNC_ALL, 0);
    leave();
}

EXPORT int msync(void *where, size_t size, int flags) {
    int done = syscall(SYS_msync, where, size, flags);
    if (done == 0 && control && mapped && (flags & MS_SYNC)) all_is_durable();
    return done;
}

EXPORT void sync(void) {
    syscall(SYS_sync);
    if (control) all_is_durable();
}

EXPORT int syncfs(int fd) {
    struct stat found;
    int done = syscall(SYS_syncfs, fd);
    if (done == 0 && ours(fd, &found)) all_is_durable();
    return done;
}

static FILE *fopen_told(const char *path, const char *mode, const char *as) {
    struct place place;
    FILE *(*next)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, as);
    if (strpbrk(mode, "wa+") && find(AT_FDCWD, path, &place)) {
        BUMP(unseen);
        release(&place);
    }
    return next(path, mode);
}

EXPORT FILE *fopen(const char *path, const char *mode) { return fopen_told(path, mode, "fopen"); }
EXPORT FILE *fopen64(const char *path, const char *mode) { return fopen_told(path, mode, "fopen64"); }
