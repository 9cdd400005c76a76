/* What Python sees: every exported function. cffi reads this file too, so each prototype is written once: plain C
 * without macros (lines that begin with a hash sign are for the compiler only).
 *
 * Arrays are pointers to their first element. `strides` is NULL where all arrays of a call are C-contiguous; else it has
 * the strides of one array after the other, in the order of the arguments: in bytes, zero and negative ones too, one for
 * each dimension. `rows` is r, `inner` is k, `columns` is c: x (r,k), w (k,c), b (1,c), y, z, dy and dz (r,c). A NULL
 * output is not computed.
 *
 * Each function checks what Python cannot check cheaply and computes nothing unless it returns PG_OK:
 * PG_OVERLAP    an output may share memory with an input, or elements of an output with each other (elementwise functions
 *               accept an output that coincides with an input);
 * PG_OUTPUTS    two outputs may share memory;
 * PG_UNALIGNED  an address or stride is not a multiple of the element size;
 * PG_NO_MEMORY  no scratch memory could be had.
 */
#ifndef PYGRAD_H
#define PYGRAD_H
#include <stddef.h>

enum pg_status { PG_OK = 0, PG_OVERLAP = 1, PG_OUTPUTS = 2, PG_UNALIGNED = 3, PG_NO_MEMORY = 4 };

/* c = a b: (m,k) (k,n) -> (m,n) */
int pg_matmul_f32(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a, const float *b, float *c,
                  const ptrdiff_t *strides);
int pg_matmul_f64(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a, const double *b, double *c,
                  const ptrdiff_t *strides);

/* out = a + b; shape is the broadcast shape, and a stride is 0 along a stretched dimension. At most 64 dimensions. */
int pg_add_f32(int ndim, const ptrdiff_t *shape, const float *a, const float *b, float *out, const ptrdiff_t *strides);
int pg_add_f64(int ndim, const ptrdiff_t *shape, const double *a, const double *b, double *out,
               const ptrdiff_t *strides);

/* z = 1 / (1 + exp(-y)) */
int pg_sigmoid_f32(int ndim, const ptrdiff_t *shape, const float *y, float *z, const ptrdiff_t *strides);
int pg_sigmoid_f64(int ndim, const ptrdiff_t *shape, const double *y, double *z, const ptrdiff_t *strides);

/* dy = dz * (sigmoid(y) * sigmoid(-y)) */
int pg_sigmoid_backward_f32(int ndim, const ptrdiff_t *shape, const float *dz, const float *y, float *dy,
                            const ptrdiff_t *strides);
int pg_sigmoid_backward_f64(int ndim, const ptrdiff_t *shape, const double *dz, const double *y, double *dy,
                            const ptrdiff_t *strides);

/* z = sigmoid(y), y = x w + b; y is stored where it is not NULL */
int pg_dense_sigmoid_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *x, const float *w,
                         const float *b, float *z, float *y, const ptrdiff_t *strides);
int pg_dense_sigmoid_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *x, const double *w,
                         const double *b, double *z, double *y, const ptrdiff_t *strides);

/* dx, dw, db from dz and the preactivation y */
int pg_dense_sigmoid_backward_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *dz, const float *x,
                                  const float *w, const float *y, float *dx, float *dw, float *db,
                                  const ptrdiff_t *strides);
int pg_dense_sigmoid_backward_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *dz, const double *x,
                                  const double *w, const double *y, double *dx, double *dw, double *db,
                                  const ptrdiff_t *strides);

/* loss = sum(sigmoid(x w + b)**2) / rows and its gradients. Returns the loss, which is never negative, or minus a
 * status. */
double pg_dense_sigmoid_value_and_grad_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *x,
                                           const float *w, const float *b, float *dx, float *dw, float *db,
                                           const ptrdiff_t *strides);
double pg_dense_sigmoid_value_and_grad_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *x,
                                           const double *w, const double *b, double *dx, double *dw, double *db,
                                           const ptrdiff_t *strides);

/* Names separated by spaces: the kernels; the ISAs that were built, best first. */
const char *pg_kernel_names(void);
const char *pg_isas_built(void);

/* Whether CPU and operating system run the ISA of that name; the choice of one (0, or -1 where it is not to be had
 * here: portable is in use until the first choice); and the one in use. */
int pg_isa_runs(const char *name);
int pg_use_isa(const char *name);
const char *pg_isa(void);

const char *pg_compiler(void);

#endif
