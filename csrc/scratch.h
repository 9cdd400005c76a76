/* Scratch memory of one call: from the caller's stack frame where it is small, else from the heap. */
#ifndef PYGRAD_SCRATCH_H
#define PYGRAD_SCRATCH_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { SCRATCH_ALIGNMENT = 64, SCRATCH_ON_STACK = 32768 };

/* More than there is memory, and so little that the sum of 64 such sizes is no overflow. */
static const ptrdiff_t SCRATCH_TOO_MUCH = PTRDIFF_MAX / 64;

struct scratch {
    void *heap; /* NULL while the stack serves */
    char *next;
    _Alignas(SCRATCH_ALIGNMENT) union {
        float f32[SCRATCH_ON_STACK / sizeof(float)];
        double f64[SCRATCH_ON_STACK / sizeof(double)];
    } stack;
};

/* Bytes for rows x columns elements, rounded up; SCRATCH_TOO_MUCH for any number that large. */
static inline ptrdiff_t scratch_size(ptrdiff_t rows, ptrdiff_t columns, size_t element) {
    ptrdiff_t bytes;
    if (__builtin_mul_overflow(rows, columns, &bytes) || __builtin_mul_overflow(bytes, (ptrdiff_t)element, &bytes) ||
        bytes > SCRATCH_TOO_MUCH - SCRATCH_ALIGNMENT)
        return SCRATCH_TOO_MUCH;
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

/* Reserve the sum of the scratch_size of all that will be taken; 0 if there is no memory. */
static inline int scratch_open(struct scratch *s, ptrdiff_t bytes) {
    s->heap = NULL;
    s->next = (char *)&s->stack;
    if (bytes <= SCRATCH_ON_STACK) return 1;
    if (bytes < SCRATCH_TOO_MUCH) s->heap = aligned_alloc(SCRATCH_ALIGNMENT, (size_t)bytes);
    s->next = s->heap;
    return s->heap != NULL;
}

static inline void *scratch_take(struct scratch *s, ptrdiff_t rows, ptrdiff_t columns, size_t element) {
    void *p = s->next;
    s->next += scratch_size(rows, columns, element);
    return p;
}

static inline void scratch_close(struct scratch *s) { free(s->heap); }

#endif
