/* What remains in scratch memory from earlier calls takes no part in multiplications: it may be subnormal, for which some
 * CPUs take a hundred times as long. Stack and scratch are filled with subnormal numbers, and the CPU's flag of a subnormal
 * operand must stay down. Compile it, for x86, with the .c files of csrc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#include "dispatch.h"
#include "pygrad.h"
#include "scratch.h"
#include "threads.h"

enum { MOST = 2048 * 64, SUBNORMAL_OPERAND = 2 };

/* A float, or half of a double, that is subnormal. */
static void fill(volatile int *memory, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof *memory; i++) memory[i] = 1;
}

static void leave_remains(void) {
    int frame[64 * 1024 / sizeof(int)];
    fill(frame, sizeof frame);
    const ptrdiff_t bytes = 4 * 1024 * 1024;
    int *const scratch = pg_scratch_take(bytes);
    if (!scratch) abort();
    fill(scratch, (size_t)bytes);
    pg_scratch_give(scratch);
    _mm_setcsr(_mm_getcsr() & ~0x3fu);
}

static int met_remains(const char *isa, const char *name, ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns) {
    if (!(_mm_getcsr() & SUBNORMAL_OPERAND)) return 0;
    printf("%s %s %td x %td -> %td\n", isa, name, rows, inner, columns);
    return 1;
}

#define LAYER(real, suffix)                                                                                            \
    static int layer_##suffix(const char *isa, ptrdiff_t r, ptrdiff_t k, ptrdiff_t c) {                                \
        static real memory[4][MOST];                                                                                   \
        int met = 0;                                                                                                   \
        double loss;                                                                                                   \
        for (int i = 0; i < MOST; i++) memory[0][i] = (real)0.5 + (real)(i % 7) / 16;                                  \
        const source_##suffix x = {memory[0], k, 1, false}, w = {memory[0], c, 1, false},                              \
                              b = {memory[0], 0, 1, false};                                                            \
        const target_##suffix dx = {memory[1], k, 1, false}, dw = {memory[2], c, 1, false},                            \
                              db = {memory[3], 0, 1, false};                                                           \
        const target_##suffix z = {memory[1], c, 1, false};                                                            \
        leave_remains();                                                                                               \
        if (pg_kernels_##suffix->dense_sigmoid_value_and_grad(r, k, c, x, w, b, dx, dw, db, &loss) != PG_OK) abort();  \
        met += met_remains(isa, "value_and_grad " #real, r, k, c);                                                     \
        leave_remains();                                                                                               \
        if (pg_kernels_##suffix->matmul(r, c, k, x, w, z) != PG_OK) abort();                                           \
        return met + met_remains(isa, "matmul " #real, r, k, c);                                                       \
    }
LAYER(float, f32)
LAYER(double, f64)

int main(void) {
    static const ptrdiff_t sizes[] = {1, 2, 3, 5, 8, 12, 17, 33, 64};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    char names[64];
    int met = 0;
    pg_set_num_threads(1);
    strcpy(names, pg_isas_built());
    for (const char *isa = strtok(names, " "); isa; isa = strtok(NULL, " ")) {
        if (pg_use_isa(isa) != 0) continue;
        for (int k = 0; k < SIZES; k++)
            for (int c = 0; c < SIZES; c++)
                for (ptrdiff_t rows = 5; rows <= 2048; rows = rows * 7 + 1)
                    met += layer_f32(isa, rows, sizes[k], sizes[c]) + layer_f64(isa, rows, sizes[k], sizes[c]);
    }
    if (!met) puts("no remains");
    return met > 0;
}
