/* The worker pool.
 *
 * One job at a time: the caller that claims the pool publishes its job, works on it, closes it, and waits for the workers
 * that joined; a worker that comes late finds no job and sleeps on. Tasks are taken from a counter, so nobody waits for
 * a thread that the operating system does not run. A worker looks for the next job for a while before it sleeps, since
 * calls, and the parts of a call, come in quick succession.
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
    WORTH_A_THREAD = 15000, /* nanoseconds of work */
    WORTH_WAKING = 200000,  /* nanoseconds of work for all */
    QUICKLY = 1000000       /* nanoseconds: what comes so soon belongs together */
};

struct job {
    pg_task *task;
    void *context;
    ptrdiff_t tasks;
    _Atomic ptrdiff_t next;
    int threads, joined; /* joined: by workers, ever */
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
    pthread_mutex_t lock; /* guards what is not atomic, workers, and jobs' `joined` */
    pthread_cond_t left;
    struct job *job;       /* open to be joined */
    atomic_uint jobs;      /* published so far */
    atomic_int in_job;     /* workers that joined and have not left */
    int workers;           /* started */
    struct worker *asleep; /* of these */
    atomic_bool claimed;
    atomic_llong last; /* nanoseconds: when work for threads last came or ended */
};

#define NEW_POOL {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER}

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
        worker->asleep = false;
        keep_off_this_cpu(worker);
        pthread_cond_signal(&worker->wake);
    }
}

/* Called with the lock held, which is free while the worker sleeps. */
static void sleep_until_woken(struct worker *worker) {
    worker->asleep = true;
    worker->next = pool.asleep;
    pool.asleep = worker;
    while (worker->asleep) pthread_cond_wait(&worker->wake, &pool.lock);
    run_anywhere(worker);
}

static void *work(void *unused) {
    struct worker self = {.thread = pthread_self(), .wake = PTHREAD_COND_INITIALIZER};
    unsigned seen = 0;
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct job *const job = pool.job;
        seen = atomic_load(&pool.jobs);
        if (job && job->joined < job->threads - 1) {
            const int worker = ++job->joined;
            atomic_fetch_add(&pool.in_job, 1);
            pthread_mutex_unlock(&pool.lock);
            run_tasks(job, worker);
            pthread_mutex_lock(&pool.lock);
            if (atomic_fetch_sub(&pool.in_job, 1) == 1) pthread_cond_signal(&pool.left);
        }
        pthread_mutex_unlock(&pool.lock);
        for (int looks = 0; looks < LOOKS && atomic_load_explicit(&pool.jobs, memory_order_relaxed) == seen; looks++)
            rest();
        pthread_mutex_lock(&pool.lock);
        if (atomic_load(&pool.jobs) == seen) sleep_until_woken(&self);
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

void pg_parallel(int threads, ptrdiff_t tasks, pg_task *task, void *context) {
    if (threads > tasks) threads = (int)tasks;
    if (threads <= 1 || this_worker >= 0 || atomic_exchange(&pool.claimed, true)) {
        for (ptrdiff_t i = 0; i < tasks; i++) task(context, i, this_worker >= 0 ? this_worker : 0);
        return;
    }
    struct job job = {.task = task, .context = context, .tasks = tasks, .threads = threads};
    pthread_mutex_lock(&pool.lock);
    if (pool.workers < threads - 1) start(threads - 1);
    pool.job = &job;
    atomic_fetch_add(&pool.jobs, 1);
    wake(threads - 1);
    pthread_mutex_unlock(&pool.lock);
    run_tasks(&job, 0);
    pthread_mutex_lock(&pool.lock);
    pool.job = NULL;
    pthread_mutex_unlock(&pool.lock);
    for (int looks = 0; looks < LOOKS && atomic_load(&pool.in_job) > 0; looks++) rest();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.in_job) > 0) pthread_cond_wait(&pool.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    atomic_store(&pool.last, now());
    atomic_store(&pool.claimed, false);
}

int pg_threads_worth(double nanoseconds) {
    const int threads = pg_num_threads();
    if (nanoseconds < 2.0 * WORTH_A_THREAD || threads == 1 || this_worker >= 0) return 1;
    /* To wake workers takes as long as a short job. Who has but one does it alone; others soon find workers awake. */
    const long long time = now(), pause = time - atomic_exchange(&pool.last, time);
    if (nanoseconds < WORTH_WAKING && pause > QUICKLY) return 1;
    return nanoseconds < (double)threads * WORTH_A_THREAD ? (int)(nanoseconds / WORTH_A_THREAD) : threads;
}

/* Visible from outside, for threadpoolctl finds the library by them. */
#define VISIBLE __attribute__((visibility("default")))
VISIBLE int pg_num_threads(void) { return atomic_load_explicit(&threads_wanted, memory_order_relaxed); }
VISIBLE void pg_set_num_threads(int threads) { atomic_store(&threads_wanted, threads); }
