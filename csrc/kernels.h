/* Private: the table of kernels that every ISA fills in, once per dtype. KERNEL_LIST is the one list of kernels. */
#ifndef PYGRAD_KERNELS_H
#define PYGRAD_KERNELS_H
#include <stdbool.h>
#include <stddef.h>

#define KERNEL_LIST(X)                                                                                                 \
    X(matmul)                                                                                                          \
    X(add)                                                                                                             \
    X(sigmoid)                                                                                                         \
    X(sigmoid_backward)                                                                                                \
    X(dense_sigmoid)                                                                                                   \
    X(dense_sigmoid_backward)                                                                                          \
    X(dense_sigmoid_value_and_grad)

/* What measures the machine, built for every ISA and dtype as the kernels are. */
#define PROBE_LIST(X)                                                                                                  \
    X(probe_muladd)                                                                                                    \
    X(probe_copy)                                                                                                      \
    X(probe_read)

/* A matrix to read or to write: element (i,j) is p[i * rs + j * cs]; strides count elements. One that is `far` is larger
 * than a cache, and is read or written for the first time, so that the order of accesses matters. Kernels work on
 * matrices; pygrad.c reduces arrays of more dimensions to them. Kernels return a pg_status; shapes are those of pygrad.h. */
#define DECLARE_KERNELS(T, real)                                                                                       \
    typedef struct {                                                                                                   \
        const real *p;                                                                                                 \
        ptrdiff_t rs, cs;                                                                                              \
        bool far;                                                                                                      \
    } source_##T;                                                                                                      \
    typedef struct {                                                                                                   \
        real *p;                                                                                                       \
        ptrdiff_t rs, cs;                                                                                              \
        bool far;                                                                                                      \
    } target_##T;                                                                                                      \
    struct kernels_##T {                                                                                               \
        int (*matmul)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, source_##T a, source_##T b, target_##T c);                \
        int (*add)(ptrdiff_t m, ptrdiff_t n, source_##T a, source_##T b, target_##T out);                              \
        int (*sigmoid)(ptrdiff_t m, ptrdiff_t n, source_##T y, target_##T z);                                          \
        int (*sigmoid_backward)(ptrdiff_t m, ptrdiff_t n, source_##T dz, source_##T y, target_##T dy);                 \
        int (*dense_sigmoid)(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, source_##T x, source_##T w,           \
                             source_##T b, target_##T z, target_##T y);                                                \
        int (*dense_sigmoid_backward)(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, source_##T dz, source_##T x, \
                                      source_##T w, source_##T y, target_##T dx, target_##T dw, target_##T db);        \
        int (*dense_sigmoid_value_and_grad)(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, source_##T x,          \
                                            source_##T w, source_##T b, target_##T dx, target_##T dw, target_##T db,   \
                                            double *loss);                                                             \
        double (*probe_muladd)(ptrdiff_t rounds);                                                                      \
        void (*probe_copy)(ptrdiff_t n, const real *from, real *to);                                                   \
        double (*probe_read)(ptrdiff_t n, const real *from);                                                           \
    };

DECLARE_KERNELS(f32, float)
DECLARE_KERNELS(f64, double)

#endif
