#include "scratch.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { MOST_KEPT = 256 * 1024 * 1024 }; /* wide layers: 16 threads 60 to 190 MB, two 10 to 100 */

/* Stands before the memory that is handed out. */
struct block {
    _Alignas(SCRATCH_ALIGNMENT) ptrdiff_t bytes;
};

static _Atomic(struct block *) kept;

void *pg_scratch_take(ptrdiff_t bytes) {
    struct block *block = atomic_exchange(&kept, NULL);
    if (!block || block->bytes < bytes) {
        free(block);
        block = aligned_alloc(SCRATCH_ALIGNMENT, (size_t)bytes + sizeof *block);
        if (!block) return NULL;
        block->bytes = bytes;
    }
    return block + 1;
}

void pg_scratch_give(void *memory) {
    struct block *block = (struct block *)memory - 1;
    if (block->bytes <= MOST_KEPT) block = atomic_exchange(&kept, block);
    free(block);
}
