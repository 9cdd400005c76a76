/* Prints a digest of every kernel's results for every instruction set that this machine runs: "isa dtype kernel
 * digest". Its argument is the number of threads. It needs no Python, so that it also runs under emulation of another
 * machine. Compile it with the .c files of csrc. */
#ifndef REAL
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pygrad.h"
#include "threads.h"

static uint64_t digest;

static void digest_bytes(const void *p, size_t bytes) { /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) digest = (digest ^ ((const unsigned char *)p)[i]) * UINT64_C(1099511628211);
}

static uint64_t state;

/* Multiples of 2**-51 in [-2, 2), from a linear congruential generator (Knuth's MMIX) */
static double next_number(void) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) * 0x1p-51 - 2.0;
}

/* m, n, k around tiles, blocks and panels; then such as threads are worth, for parts of panels and for groups */
static const ptrdiff_t shapes[][3] = {{1, 1, 1},     {10, 2, 12},    {7, 5, 3},     {15, 17, 31},  {33, 70, 16},
                                      {3, 9, 600},   {300, 20, 40},  {515, 3, 70},  {70, 90, 300}, {300, 310, 290},
                                      {2, 12, 9000}, {5000, 20, 70}, {17000, 2, 30}};

/* A NumPy array, as pygrad.c reads it: all of one type and dtype, and writeable */
struct array {
    const void *object[2];
    void *p;
    int ndim;
    const ptrdiff_t *shape, *strides;
    const void *base, *dtype;
    int flags;
};

#define PAIR(m, n) ((const ptrdiff_t[]){m, n})
#define AT(p, m, n)                                                                                                    \
    ((pg_array) & (struct array){{NULL, NULL}, p, 2, PAIR(m, n), PAIR((n) * size, size), NULL, NULL, 0x400})
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#define REAL float
#define T f32
#include "digests.c"
#undef REAL
#undef T
#define REAL double
#define T f64
#include "digests.c"

int main(int arguments, char **argument) {
    char isas[256];
    if (arguments == 2) pg_set_num_threads(atoi(argument[1]));
    strncpy(isas, pg_isas_built(), sizeof isas - 1);
    for (char *isa = strtok(isas, " "); isa; isa = strtok(NULL, " ")) {
        if (pg_use_isa(isa) != 0) continue;
        print_digests_f32(isa);
        print_digests_f64(isa);
    }
    return 0;
}

#else

static REAL *PASTE(array, T)(ptrdiff_t elements) {
    REAL *p = malloc((size_t)(elements + 1) * sizeof(REAL));
    if (!p) abort();
    for (ptrdiff_t i = 0; i < elements; i++) p[i] = (REAL)next_number();
    return p;
}

/* Of all shapes for one kernel: all arrays are C-contiguous. */
static void PASTE(print_digests, T)(const char *isa) {
    static const char *const names[] = {"matmul",
                                        "add",
                                        "sigmoid",
                                        "sigmoid_backward",
                                        "dense_sigmoid",
                                        "dense_sigmoid_backward",
                                        "dense_sigmoid_value_and_grad"};
    for (size_t kernel = 0; kernel < sizeof names / sizeof names[0]; kernel++) {
        digest = UINT64_C(14695981039346656037);
        state = 1;
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            const ptrdiff_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2], size = (ptrdiff_t)sizeof(REAL);
            REAL *x = PASTE(array, T)(m * k), *w = PASTE(array, T)(k * n), *b = PASTE(array, T)(n);
            REAL *y = PASTE(array, T)(m * n), *dz = PASTE(array, T)(m * n), *z = PASTE(array, T)(m * n);
            REAL *dx = PASTE(array, T)(m * k), *dw = PASTE(array, T)(k * n), *db = PASTE(array, T)(n);
            const pg_array X = AT(x, m, k), W = AT(w, k, n), B = AT(b, 1, n), Y = AT(y, m, n), DZ = AT(dz, m, n);
            const pg_array Z = AT(z, m, n), DX = AT(dx, m, k), DW = AT(dw, k, n), DB = AT(db, 1, n);
            double loss = 0;
            pg_threads_worth(1e9, 1); /* short work that follows at once is for threads too */
            switch (kernel) {
            case 0:
                PASTE(pg_matmul, T)(X, W, Z);
                break;
            case 1:
                PASTE(pg_add, T)(Y, DZ, Z);
                break;
            case 2:
                PASTE(pg_sigmoid, T)(Y, Z);
                break;
            case 3:
                PASTE(pg_sigmoid_backward, T)(DZ, Y, Z);
                break;
            case 4:
                PASTE(pg_dense_sigmoid, T)(X, W, B, Z, Y);
                break;
            case 5:
                PASTE(pg_dense_sigmoid_backward, T)(DZ, X, W, Y, DX, DW, DB);
                break;
            default:
                loss = PASTE(pg_dense_sigmoid_value_and_grad, T)(X, W, B, DX, DW, DB);
            }
            digest_bytes(z, (size_t)(m * n * size));
            digest_bytes(y, (size_t)(m * n * size));
            digest_bytes(dx, (size_t)(m * k * size));
            digest_bytes(dw, (size_t)(k * n * size));
            digest_bytes(db, (size_t)(n * size));
            digest_bytes(&loss, sizeof loss);
            REAL *const all[] = {x, w, b, y, dz, z, dx, dw, db};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
        }
        printf("%s %s %s %016" PRIx64 "\n", isa, sizeof(REAL) == 4 ? "float32" : "float64", names[kernel], digest);
    }
}

#endif
