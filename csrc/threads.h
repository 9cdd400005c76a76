/* The worker pool: threads that help a call along. Which thread does what never changes a bit of a result. */
#ifndef PYGRAD_THREADS_H
#define PYGRAD_THREADS_H
#include <stddef.h>

/* One of a number of independent tasks; `worker` is less than the threads asked for, and no two tasks have the same at
 * the same time. */
typedef void pg_task(void *context, ptrdiff_t index, int worker);

/* The number of threads to use for what takes one thread about `nanoseconds`, in so many calls of pg_parallel that take much
 * of it: 1 within a task, and for what is short and comes after a pause, when workers sleep. */
int pg_threads_worth(double nanoseconds, int jobs);

/* Run tasks 0 ... tasks - 1 on up to `threads` threads, the caller among them, and return when all are done. While
 * another caller has the pool, and within a task, the caller runs them alone. */
void pg_parallel(int threads, ptrdiff_t tasks, pg_task *task, void *context);

#endif
