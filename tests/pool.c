/* The worker pool from several threads at once, for ThreadSanitizer: every task must run exactly once, no two at a time under
 * one worker's number; and the choice of threads for short and long work. Compile it with the .c files of csrc. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dispatch.h"
#include "pygrad.h"
#include "threads.h"

enum { CALLERS = 4, MOST_THREADS = 5, CALLS = 300, TASKS = 37, N = 160 };

struct tally {
    int threads;
    int ran[TASKS], by_worker[MOST_THREADS]; /* not atomic: tasks of one call must not meet, nor those of one worker */
};

static void inner_task(void *context, ptrdiff_t index, int worker) {
    (void)worker;
    ((int *)context)[index]++;
}

static void count_task(void *context, ptrdiff_t index, int worker) {
    struct tally *const tally = context;
    int inner[3] = {0};
    if (worker < 0 || worker >= tally->threads) abort();
    tally->by_worker[worker]++;
    pg_parallel(4, 3, inner_task, inner); /* runs within the task */
    tally->ran[index] += inner[0] == 1 && inner[1] == 1 && inner[2] == 1;
}

static void *call(void *wrong) {
    static float a[N * N];
    float *c = malloc(sizeof a);
    if (!c) abort();
    const source_f32 from = {a, N, 1, false};
    const target_f32 to = {c, N, 1, false};
    for (int i = 0; i < CALLS; i++) {
        struct tally tally = {.threads = 1 + i % MOST_THREADS};
        pg_parallel(tally.threads, TASKS, count_task, &tally);
        int tasks = 0;
        for (int worker = 0; worker < MOST_THREADS; worker++) tasks += tally.by_worker[worker];
        if (tasks != TASKS) *(int *)wrong = 1;
        for (int task = 0; task < TASKS; task++)
            if (tally.ran[task] != 1) *(int *)wrong = 1;
        if (i % 50 == 0 && pg_kernels_f32->matmul(N, N, N, from, from, to) != PG_OK) *(int *)wrong = 1;
        if (i % 100 == 0) pg_set_num_threads(1 + i / 100);
    }
    free(c);
    return NULL;
}

/* Short work after a pause is done alone, more of it at once is not, unless that too was held up; long work never is. Four
 * times the work is worth twice the threads, in four jobs no more. */
static int chooses_wrongly(void) {
    int together = 0;
    pg_set_num_threads(40);
    for (int threads = 21; threads <= 80; threads++) {
        const double work = 500.0 * threads * threads;
        if (pg_threads_worth(work, 1) != (threads < 40 ? threads : 40)) return 1;
        if (threads <= 40 && pg_threads_worth(work - 1, 1) != threads - 1) return 1;
        if (pg_threads_worth(4 * work, 4) != pg_threads_worth(work, 1)) return 1;
    }
    pg_set_num_threads(2);
    for (int i = 0; i < 20; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        if (pg_threads_worth(1e5, 1) != 1) return 1;
        together += pg_threads_worth(1e5, 1) == 2;
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        if (pg_threads_worth(1e6, 1) != 2) return 1;
    }
    return together == 0;
}

int main(void) {
    pthread_t threads[CALLERS];
    if (chooses_wrongly()) {
        puts("wrong number of threads");
        return 1;
    }
    int wrong[CALLERS] = {0}, any = 0;
    for (int i = 0; i < CALLERS; i++)
        if (pthread_create(&threads[i], NULL, call, &wrong[i]) != 0) abort();
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        any |= wrong[i];
    }
    puts(any ? "a task did not run once" : "all tasks ran once");
    return any;
}
