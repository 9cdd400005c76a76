/* The worker pool.
 *
 * One job at a time: the caller that claims the pool publishes its job, works on it, closes it, and waits for the workers
 * that joined; a worker that comes late finds no place left. Tasks are taken from a counter, so nobody waits for a thread
 * that the operating system does not run. A worker looks for the next job for a while before it sleeps, since calls, and the
 * parts of a call, come in quick succession. The lock is for sleep alone: who joins or leaves a job passes no other thread.
 *
 * After fork the child has none of the threads: it forgets them, and starts its own when it needs them.
 */
#define _GNU_SOURCE /* for a thread's CPUs, which POSIX does not know */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "pygrad.h"

/* Measured: a worker that looks for a job begins after half a microsecond, one that sleeps after 30 to 110, the longer the
 * longer its CPU was idle. */
enum {
    LOOKS = 10000,          /* before sleep: 100 to 400 microseconds */
    STACK = 1024 * 1024,    /* bytes: a task needs some 30 KB */
    WORTH_SHARING = 30000,  /* nanoseconds of work */
    COST_OF_ONE_MORE = 500, /* nanoseconds, of a thread beside others */
    WORTH_WAKING = 200000,  /* nanoseconds of work for all */
    QUICKLY = 1000000,      /* nanoseconds: what comes so soon belongs together */
    SHARED_LINE = 64        /* bytes that one core writes at a time */
};

struct job {
    pg_task *task;
    void *context;
    ptrdiff_t tasks;
    _Atomic ptrdiff_t next;
};

struct worker {
    pthread_t thread;
    pthread_cond_t wake;
    bool asleep;
    struct worker *next; /* asleep too */
#if defined(__linux__)
    bool kept_off; /* from the CPU of the one who wakes it */
    cpu_set_t allowed;
#endif
};

struct pool {
    _Alignas(SHARED_LINE) atomic_ullong door; /* the last job's number and, in PLACES, those still free */
    struct job *job;
    _Alignas(SHARED_LINE) atomic_int left; /* workers that left the job */
    atomic_bool waited_for;                /* by the caller, asleep */
    _Alignas(SHARED_LINE) atomic_bool claimed;
    atomic_llong last;    /* nanoseconds: when work for threads last came or ended */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t all_left;
    int workers, sleepers; /* started; asleep, of these */
    struct worker *asleep;
};

#define PLACES 0xffffffffULL

#define NEW_POOL {.lock = PTHREAD_MUTEX_INITIALIZER, .all_left = PTHREAD_COND_INITIALIZER}

static struct pool pool = NEW_POOL;
static atomic_int threads_wanted = 1;
static _Thread_local int this_worker = -1; /* -1 outside of tasks that may run beside others */

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_tasks(struct job *job, int worker) {
    this_worker = worker;
    for (ptrdiff_t i; (i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->tasks;)
        job->task(job->context, i, worker);
    this_worker = -1;
}

/* Linux may wake a thread on the CPU of the one that wakes it, although others are idle, and leave both there for many
 * milliseconds. So who is woken may not run there, until it runs. */
static void keep_off_this_cpu(struct worker *worker) {
#if defined(__linux__)
    const int cpu = sched_getcpu();
    if (cpu < 0 || pthread_getaffinity_np(worker->thread, sizeof worker->allowed, &worker->allowed) != 0) return;
    cpu_set_t others = worker->allowed;
    CPU_CLR((size_t)cpu, &others);
    worker->kept_off = CPU_COUNT(&others) > 0 && pthread_setaffinity_np(worker->thread, sizeof others, &others) == 0;
#else
    (void)worker;
#endif
}

static void run_anywhere(struct worker *worker) {
#if defined(__linux__)
    if (worker->kept_off) pthread_setaffinity_np(worker->thread, sizeof worker->allowed, &worker->allowed);
    worker->kept_off = false;
#else
    (void)worker;
#endif
}

/* Called with the lock held. */
static void wake(int workers) {
    for (; workers > 0 && pool.asleep; workers--) {
        struct worker *const worker = pool.asleep;
        pool.asleep = worker->next;
        pool.sleepers--;
        worker->asleep = false;
        keep_off_this_cpu(worker);
        pthread_cond_signal(&worker->wake);
    }
}

/* Whether the door shows another job than the one seen; the numbers of jobs begin again after the last. */
static bool shows_another(unsigned long long door, unsigned long long seen) { return (door ^ seen) > PLACES; }

/* Until there is another job than the one seen at the door. */
static void wait_for_job(struct worker *worker, unsigned long long seen) {
    for (int looks = 0; looks < LOOKS; looks++) {
        if (shows_another(atomic_load_explicit(&pool.door, memory_order_relaxed), seen)) return;
        rest();
    }
    pthread_mutex_lock(&pool.lock);
    if (!shows_another(atomic_load(&pool.door), seen)) {
        worker->asleep = true;
        worker->next = pool.asleep;
        pool.asleep = worker;
        pool.sleepers++;
        while (worker->asleep) pthread_cond_wait(&worker->wake, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    run_anywhere(worker);
}

/* Take a place in the open job, if any is free; its number, from 1 on, or 0. */
static int join(unsigned long long *door) {
    *door = atomic_load(&pool.door);
    while ((*door & PLACES) > 0)
        if (atomic_compare_exchange_weak(&pool.door, door, *door - 1)) return (int)(*door & PLACES);
    return 0;
}

static void leave(void) {
    atomic_fetch_add(&pool.left, 1);
    if (!atomic_load(&pool.waited_for)) return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.all_left);
    pthread_mutex_unlock(&pool.lock);
}

static void *work(void *unused) {
    struct worker self = {.thread = pthread_self(), .wake = PTHREAD_COND_INITIALIZER};
    (void)unused;
    for (;;) {
        unsigned long long door;
        const int place = join(&door);
        if (place > 0) {
            run_tasks(pool.job, place);
            leave();
        }
        wait_for_job(&self, door);
    }
    return NULL;
}

static void forget_threads(void) { pool = (struct pool)NEW_POOL; }
/* When the library is loaded: a fork that is under way no longer sees what is registered. */
__attribute__((constructor)) static void watch_fork(void) { pthread_atfork(NULL, NULL, forget_threads); }

/* Start workers until there are `workers` or no more can be had. Called with the lock held. */
static void start(int workers) {
    sigset_t all, before; /* signals are for the threads of the program */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    while (pool.workers < workers && pthread_create(&thread, &attributes, work, NULL) == 0) pool.workers++;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Until all that joined the job, which is closed, have left it. */
static void wait_until_left(int joined) {
    for (int looks = 0; looks < LOOKS; looks++) {
        if (atomic_load(&pool.left) == joined) return;
        rest();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.waited_for, true);
    while (atomic_load(&pool.left) < joined) pthread_cond_wait(&pool.all_left, &pool.lock);
    atomic_store(&pool.waited_for, false);
    pthread_mutex_unlock(&pool.lock);
}

void pg_parallel(int threads, ptrdiff_t tasks, pg_task *task, void *context) {
    if (threads > tasks) threads = (int)tasks;
    const int worker = this_worker;
    if (threads <= 1 || worker >= 0 || atomic_exchange(&pool.claimed, true)) {
        for (ptrdiff_t i = 0; i < tasks; i++) task(context, i, worker >= 0 ? worker : 0);
        return;
    }
    struct job job = {.task = task, .context = context, .tasks = tasks};
    const unsigned long long places = (unsigned long long)threads - 1;
    pool.job = &job;
    atomic_store(&pool.left, 0);
    pthread_mutex_lock(&pool.lock);
    if (pool.workers < threads - 1) start(threads - 1);
    atomic_store(&pool.door, (atomic_load(&pool.door) | PLACES) + 1 + places);
    wake(threads - 1 - (pool.workers - pool.sleepers));
    pthread_mutex_unlock(&pool.lock);
    run_tasks(&job, 0);
    wait_until_left((int)(places - (atomic_fetch_and(&pool.door, ~PLACES) & PLACES)));
    atomic_store(&pool.last, now());
    atomic_store(&pool.claimed, false);
}

int pg_threads_worth(double nanoseconds, int jobs) {
    const int most = pg_num_threads();
    if (nanoseconds < (double)jobs * WORTH_SHARING || most == 1 || this_worker >= 0) return 1;
    /* To wake workers takes as long as a short job. Who has but one does it alone; others soon find workers awake. */
    const long long time = now(), pause = time - atomic_exchange(&pool.last, time);
    if (nanoseconds < WORTH_WAKING && pause > QUICKLY) return 1;
    /* nanoseconds / threads + threads * cost is least */
    const double cost = (double)jobs * COST_OF_ONE_MORE;
    double threads = 2;
    while (threads < most && (threads + 1) * (threads + 1) * cost <= nanoseconds) threads++;
    return (int)threads;
}

/* Visible from outside, for threadpoolctl finds the library by them. */
#define VISIBLE __attribute__((visibility("default")))
VISIBLE int pg_num_threads(void) { return atomic_load_explicit(&threads_wanted, memory_order_relaxed); }
VISIBLE void pg_set_num_threads(int threads) { atomic_store(&threads_wanted, threads); }
