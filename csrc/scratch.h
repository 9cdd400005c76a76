/* Scratch memory of one call, an area for each thread that works on it: in the caller's stack frame where one small area
 * is enough, else from the heap. The last memory from the heap is kept for the next call, for fresh memory costs a page
 * fault every 4 KB, which a call of a millisecond feels. */
#ifndef PYGRAD_SCRATCH_H
#define PYGRAD_SCRATCH_H
#include <stddef.h>
#include <stdint.h>

enum { SCRATCH_ALIGNMENT = 64, SCRATCH_ON_STACK = 32768 };

/* More than there is memory, and so little that the sum of 64 such sizes is no overflow. */
static const ptrdiff_t SCRATCH_TOO_MUCH = PTRDIFF_MAX / 64;

/* One thread's area: `next` is free. It stands at the head of the area. */
struct scratch {
    _Alignas(SCRATCH_ALIGNMENT) char *next;
};

struct workspace {
    void *heap; /* NULL while the stack serves */
    char *areas;
    ptrdiff_t area; /* bytes */
    _Alignas(SCRATCH_ALIGNMENT) union {
        struct scratch head;
        float f32[SCRATCH_ON_STACK / sizeof(float)];
        double f64[SCRATCH_ON_STACK / sizeof(double)];
    } stack;
};

/* Memory of that size, aligned, or NULL; and its return. */
void *pg_scratch_take(ptrdiff_t bytes);
void pg_scratch_give(void *memory);

/* Bytes for rows x columns elements, rounded up; SCRATCH_TOO_MUCH for any number that large. */
static inline ptrdiff_t scratch_size(ptrdiff_t rows, ptrdiff_t columns, size_t element) {
    ptrdiff_t bytes;
    if (__builtin_mul_overflow(rows, columns, &bytes) || __builtin_mul_overflow(bytes, (ptrdiff_t)element, &bytes) ||
        bytes > SCRATCH_TOO_MUCH - SCRATCH_ALIGNMENT)
        return SCRATCH_TOO_MUCH;
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

/* Takes memory for `shared` bytes, returned first, and areas for that many threads, each of the sum of the scratch_size
 * of all that will be taken from it. Returns NULL if there is no memory. */
static inline void *workspace_open(struct workspace *w, ptrdiff_t shared, int threads, ptrdiff_t bytes) {
    const ptrdiff_t area = bytes + (ptrdiff_t)sizeof(struct scratch);
    ptrdiff_t all = SCRATCH_TOO_MUCH;
    if (area < SCRATCH_TOO_MUCH && shared < SCRATCH_TOO_MUCH) all = shared + scratch_size(threads, area, 1);
    w->heap = NULL;
    char *start = (char *)&w->stack;
    if (all > SCRATCH_ON_STACK) {
        if (all < SCRATCH_TOO_MUCH) w->heap = pg_scratch_take(all);
        start = w->heap;
        if (!start) return NULL;
    }
    w->areas = start + shared;
    w->area = area;
    for (int i = 0; i < threads; i++) {
        struct scratch *head = (struct scratch *)(w->areas + i * area);
        head->next = (char *)(head + 1);
    }
    return start;
}

static inline struct scratch *workspace_of(const struct workspace *w, int worker) {
    return (struct scratch *)(w->areas + worker * w->area);
}

static inline void *scratch_take(struct scratch *s, ptrdiff_t rows, ptrdiff_t columns, size_t element) {
    void *p = s->next;
    s->next += scratch_size(rows, columns, element);
    return p;
}

static inline void workspace_close(struct workspace *w) {
    if (w->heap) pg_scratch_give(w->heap);
}

#endif
