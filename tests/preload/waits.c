/* One wait of a C program, by name: says "ready", waits for a line, waits, and says how long that was on its own clock.
 *
 *     waits <name> <milliseconds>
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static int64_t now(clockid_t clock) {
    struct timespec spec;
    clock_gettime(clock, &spec);
    return spec.tv_sec * 1000000000LL + spec.tv_nsec;
}

static struct timespec spec_of(int64_t ns) {
    return (struct timespec){ns / 1000000000LL, ns % 1000000000LL};
}

static struct timespec until(clockid_t clock, int64_t ns) {
    return spec_of(now(clock) + ns);
}

static void check(int fine, const char *what) {
    if (!fine) {
        printf("failed %s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(1);
    }
}

static void nothing(int number) { (void)number; }

static void await_condition(clockid_t clock, int64_t ns, int by_call) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t attributes;
    pthread_cond_t condition;
    pthread_condattr_init(&attributes);
    if (!by_call)
        pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&condition, &attributes);
    struct timespec end = until(clock, ns);
    int error = 0;
    pthread_mutex_lock(&mutex);
    while (error == 0) /* there are spurious wakeups, as ever */
        error = by_call ? pthread_cond_clockwait(&condition, &mutex, clock, &end)
                        : pthread_cond_timedwait(&condition, &mutex, &end);
    pthread_mutex_unlock(&mutex);
    check(error == ETIMEDOUT, "condition");
}

static void *hold(void *lock) {
    pthread_mutex_lock(lock);
    pause();
    return NULL;
}

static void *hold_for_writing(void *lock) {
    pthread_rwlock_wrlock(lock);
    pause();
    return NULL;
}

static void await_lock(int64_t ns, clockid_t clock) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t holder;
    pthread_create(&holder, NULL, hold, &mutex);
    while (pthread_mutex_trylock(&mutex) == 0) {
        pthread_mutex_unlock(&mutex);
        sched_yield();
    }
    struct timespec end = until(clock, ns);
    int error = clock == CLOCK_REALTIME ? pthread_mutex_timedlock(&mutex, &end)
                                        : pthread_mutex_clocklock(&mutex, clock, &end);
    check(error == ETIMEDOUT, "lock");
}

static void await_read_lock(int64_t ns) {
    static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_t holder;
    pthread_create(&holder, NULL, hold_for_writing, &lock);
    while (pthread_rwlock_tryrdlock(&lock) == 0) {
        pthread_rwlock_unlock(&lock);
        sched_yield();
    }
    struct timespec end = until(CLOCK_REALTIME, ns);
    check(pthread_rwlock_timedrdlock(&lock, &end) == ETIMEDOUT, "read lock");
}

static void await_timer(clockid_t clock, int absolute, int64_t ns, int times) {
    int file = timerfd_create(clock, 0), flags = absolute ? TFD_TIMER_ABSTIME : 0;
    struct itimerspec spec = {spec_of(times > 1 ? ns / times : 0), absolute ? until(clock, ns) : spec_of(ns / times)};
    uint64_t seen = 0, count;
    check(timerfd_settime(file, flags, &spec, NULL) == 0, "timerfd_settime");
    while (seen < (uint64_t)times) {
        check(read(file, &count, sizeof count) == sizeof count, "read");
        seen += count;
    }
}

static void await_timer_in_epoll(int64_t ns) {
    int file = timerfd_create(CLOCK_MONOTONIC, 0), epoll = epoll_create1(0);
    struct itimerspec spec = {{0, 0}, spec_of(ns)}, left;
    struct epoll_event event = {.events = EPOLLIN};
    check(timerfd_settime(file, 0, &spec, NULL) == 0, "timerfd_settime");
    check(timerfd_gettime(file, &left) == 0 && (left.it_value.tv_sec || left.it_value.tv_nsec), "timerfd_gettime");
    epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
    check(epoll_wait(epoll, &event, 1, -1) == 1, "epoll_wait");
}

static void await_signal(int64_t ns, const char *by) {
    struct itimerspec spec = {{0, 0}, spec_of(ns)};
    struct itimerval value = {{0, 0}, {ns / 1000000000LL, ns / 1000 % 1000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    sigset_t set;
    int got;
    timer_t timer;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (strcmp(by, "timer") == 0) {
        check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
        check(timer_settime(timer, 0, &spec, NULL) == 0, "timer_settime");
    } else if (strcmp(by, "setitimer") == 0) {
        check(setitimer(ITIMER_REAL, &value, NULL) == 0, "setitimer");
    } else {
        alarm((unsigned)(ns / 1000000000LL));
    }
    check(sigwait(&set, &got) == 0, "sigwait");
}

static void await_message(int64_t ns) {
    char name[64], text[64];
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof text};
    snprintf(name, sizeof name, "/antipaxos-test-%d", getpid());
    mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    check(queue >= 0, "mq_open");
    mq_unlink(name);
    struct timespec end = until(CLOCK_REALTIME, ns);
    check(mq_timedreceive(queue, text, sizeof text, NULL, &end) < 0 && errno == ETIMEDOUT, "mq_timedreceive");
}

static void perform(const char *name, int64_t ns) {
    struct timespec spec = spec_of(ns);
    struct epoll_event event;
    struct timeval value = {ns / 1000000000LL, ns / 1000 % 1000000};
    int word = 0;
    sigset_t none;
    sigemptyset(&none);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
#define IS(text) (strcmp(name, text) == 0)
    if (IS("nanosleep"))
        check(nanosleep(&spec, NULL) == 0, name);
    else if (IS("usleep"))
        check(usleep((useconds_t)(ns / 1000)) == 0, name);
    else if (IS("sleep"))
        check(sleep((unsigned)(ns / 1000000000LL)) == 0, name);
    else if (IS("thrd_sleep"))
        check(thrd_sleep(&spec, NULL) == 0, name);
    else if (IS("clock_nanosleep"))
        check(clock_nanosleep(CLOCK_MONOTONIC, 0, &spec, NULL) == 0, name);
    else if (IS("clock_nanosleep-until")) {
        spec = until(CLOCK_MONOTONIC, ns);
        check(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &spec, NULL) == 0, name);
    } else if (IS("clock_nanosleep-wall")) {
        spec = until(CLOCK_REALTIME, ns);
        check(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &spec, NULL) == 0, name);
    } else if (IS("sem_timedwait-wall")) {
        spec = until(CLOCK_REALTIME, ns);
        check(sem_timedwait(&semaphore, &spec) < 0 && errno == ETIMEDOUT, name);
    } else if (IS("sem_clockwait")) {
        spec = until(CLOCK_MONOTONIC, ns);
        check(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &spec) < 0 && errno == ETIMEDOUT, name);
    } else if (IS("cond_timedwait-wall"))
        await_condition(CLOCK_REALTIME, ns, 0);
    else if (IS("cond_timedwait"))
        await_condition(CLOCK_MONOTONIC, ns, 0);
    else if (IS("cond_clockwait"))
        await_condition(CLOCK_MONOTONIC, ns, 1);
    else if (IS("mutex_timedlock-wall"))
        await_lock(ns, CLOCK_REALTIME);
    else if (IS("mutex_clocklock"))
        await_lock(ns, CLOCK_MONOTONIC);
    else if (IS("rwlock_timedrdlock-wall"))
        await_read_lock(ns);
    else if (IS("epoll_wait"))
        check(epoll_wait(epoll_create1(0), &event, 1, (int)(ns / 1000000)) == 0, name);
    else if (IS("epoll_pwait"))
        check(epoll_pwait(epoll_create1(0), &event, 1, (int)(ns / 1000000), &none) == 0, name);
    else if (IS("epoll_pwait2"))
        check(epoll_pwait2(epoll_create1(0), &event, 1, &spec, NULL) == 0, name);
    else if (IS("poll"))
        check(poll(NULL, 0, (int)(ns / 1000000)) == 0, name);
    else if (IS("ppoll"))
        check(ppoll(NULL, 0, &spec, &none) == 0, name);
    else if (IS("select")) {
        check(select(0, NULL, NULL, NULL, &value) == 0, name);
        check(value.tv_sec == 0 && value.tv_usec == 0, "what is left");
    } else if (IS("pselect"))
        check(pselect(0, NULL, NULL, NULL, &spec, &none) == 0, name);
    else if (IS("timerfd"))
        await_timer(CLOCK_MONOTONIC, 0, ns, 1);
    else if (IS("timerfd-periodic"))
        await_timer(CLOCK_MONOTONIC, 0, ns, 4);
    else if (IS("timerfd-until"))
        await_timer(CLOCK_MONOTONIC, 1, ns, 1);
    else if (IS("timerfd-wall"))
        await_timer(CLOCK_REALTIME, 1, ns, 1);
    else if (IS("timerfd-epoll"))
        await_timer_in_epoll(ns);
    else if (IS("timer"))
        await_signal(ns, "timer");
    else if (IS("setitimer"))
        await_signal(ns, "setitimer");
    else if (IS("alarm"))
        await_signal(ns, "alarm");
    else if (IS("sigtimedwait")) {
        sigaddset(&none, SIGUSR1);
        check(sigtimedwait(&none, NULL, &spec) < 0 && errno == EAGAIN, name);
    } else if (IS("mq_timedreceive-wall"))
        await_message(ns);
    else if (IS("futex")) /* FUTEX_WAIT_PRIVATE */
        check(syscall(SYS_futex, &word, 128, 0, &spec, NULL, 0) < 0 && errno == ETIMEDOUT, name);
    else if (IS("futex-until")) { /* FUTEX_WAIT_BITSET_PRIVATE */
        spec = until(CLOCK_MONOTONIC, ns);
        check(syscall(SYS_futex, &word, 137, 0, &spec, NULL, -1) < 0 && errno == ETIMEDOUT, name);
    } else
        check(0, "unknown wait");
}

/* Read the clock in many threads until the input ends; say by how much it ever went backwards in one of them. */
static volatile int over;

static void *hammer(void *unused) {
    int64_t last = 0, worst = 0;
    (void)unused;
    while (!over) {
        int64_t reading = now(CLOCK_MONOTONIC);
        if (reading - last < worst)
            worst = reading - last;
        last = reading;
    }
    return (void *)(intptr_t)worst;
}

static int hammer_on(void) {
    pthread_t threads[4];
    int64_t worst = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, hammer, NULL);
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    over = 1;
    for (int i = 0; i < 4; i++) {
        void *backwards;
        pthread_join(threads[i], &backwards);
        if ((intptr_t)backwards < worst)
            worst = (intptr_t)backwards;
    }
    printf("%ld\n", (long)worst);
    return 0;
}

/* All ways to ask for the time, as ns; what they are compared with is the test's business. */
static int tell_clocks(void) {
    struct timeval value;
    struct timespec spec;
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE,
                                       CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        printf("%ld ", (long)now(clocks[i]));
    gettimeofday(&value, NULL);
    timespec_get(&spec, TIME_UTC);
    printf("%ld %ld %ld ", value.tv_sec * 1000000000L + value.tv_usec * 1000L, (long)time(NULL) * 1000000000L,
           spec.tv_sec * 1000000000L + spec.tv_nsec);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &spec);
    printf("%ld\n", spec.tv_sec * 1000000000L + spec.tv_nsec);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "clocks") == 0)
        return tell_clocks();
    if (argc > 1 && strcmp(argv[1], "hammer") == 0)
        return hammer_on();
    signal(SIGUSR2, nothing);
    int64_t ns = atoll(argv[2]) * 1000000LL;
    printf("ready\n");
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
    int64_t before = now(CLOCK_MONOTONIC);
    perform(argv[1], ns);
    printf("%ld\n", (long)(now(CLOCK_MONOTONIC) - before));
    fflush(stdout);
    return 0;
}
