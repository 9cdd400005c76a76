/* Scratch memory of one call: from the caller's stack frame where it is small, else from the heap. */
#ifndef PYGRAD_SCRATCH_H
#define PYGRAD_SCRATCH_H
#include <stddef.h>
#include <stdlib.h>

enum { SCRATCH_ALIGNMENT = 64, SCRATCH_ON_STACK = 32768 };

struct scratch {
    char *heap; /* NULL while the stack serves */
    char *next;
    _Alignas(SCRATCH_ALIGNMENT) char stack[SCRATCH_ON_STACK];
};

static inline ptrdiff_t scratch_size(ptrdiff_t count, size_t element) {
    ptrdiff_t bytes = count * (ptrdiff_t)element;
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

/* Reserve the sum of the scratch_size of all that will be taken; 0 if there is no memory. */
static inline int scratch_open(struct scratch *s, ptrdiff_t bytes) {
    s->heap = NULL;
    s->next = s->stack;
    if (bytes > SCRATCH_ON_STACK) s->heap = s->next = aligned_alloc(SCRATCH_ALIGNMENT, (size_t)bytes);
    return s->next != NULL;
}

static inline void *scratch_take(struct scratch *s, ptrdiff_t count, size_t element) {
    void *p = s->next;
    s->next += scratch_size(count, element);
    return p;
}

static inline void scratch_close(struct scratch *s) { free(s->heap); }

#endif
