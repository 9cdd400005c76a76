/* What Python sees: every exported function. cffi reads this file too, so each prototype is written once: plain C
 * without macros (lines that begin with a hash sign are for the compiler only).
 *
 * Arrays are pointers to their first element, with strides in bytes that may be zero or negative. `rows` is r, `inner`
 * is k, `columns` is c: x (r,k), w (k,c), b (c,), y, z, dy and dz (r,c). A NULL output is not computed.
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
int pg_matmul_f32(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const float *a, ptrdiff_t a_rs, ptrdiff_t a_cs, const float *b,
                  ptrdiff_t b_rs, ptrdiff_t b_cs, float *c, ptrdiff_t c_rs, ptrdiff_t c_cs);
int pg_matmul_f64(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const double *a, ptrdiff_t a_rs, ptrdiff_t a_cs,
                  const double *b, ptrdiff_t b_rs, ptrdiff_t b_cs, double *c, ptrdiff_t c_rs, ptrdiff_t c_cs);

/* out = a + b; shape is the broadcast shape, and a stride is 0 along a stretched dimension. At most 64 dimensions. */
int pg_add_f32(int ndim, const ptrdiff_t *shape, const float *a, const ptrdiff_t *a_strides, const float *b,
               const ptrdiff_t *b_strides, float *out, const ptrdiff_t *out_strides);
int pg_add_f64(int ndim, const ptrdiff_t *shape, const double *a, const ptrdiff_t *a_strides, const double *b,
               const ptrdiff_t *b_strides, double *out, const ptrdiff_t *out_strides);

/* z = 1 / (1 + exp(-y)) */
int pg_sigmoid_f32(int ndim, const ptrdiff_t *shape, const float *y, const ptrdiff_t *y_strides, float *z,
                   const ptrdiff_t *z_strides);
int pg_sigmoid_f64(int ndim, const ptrdiff_t *shape, const double *y, const ptrdiff_t *y_strides, double *z,
                   const ptrdiff_t *z_strides);

/* dy = dz * (sigmoid(y) * sigmoid(-y)) */
int pg_sigmoid_backward_f32(int ndim, const ptrdiff_t *shape, const float *dz, const ptrdiff_t *dz_strides,
                            const float *y, const ptrdiff_t *y_strides, float *dy, const ptrdiff_t *dy_strides);
int pg_sigmoid_backward_f64(int ndim, const ptrdiff_t *shape, const double *dz, const ptrdiff_t *dz_strides,
                            const double *y, const ptrdiff_t *y_strides, double *dy, const ptrdiff_t *dy_strides);

/* z = sigmoid(y), y = x w + b; y is stored where it is not NULL */
int pg_dense_sigmoid_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *x, ptrdiff_t x_rs,
                         ptrdiff_t x_cs, const float *w, ptrdiff_t w_rs, ptrdiff_t w_cs, const float *b, ptrdiff_t b_cs,
                         float *z, ptrdiff_t z_rs, ptrdiff_t z_cs, float *y, ptrdiff_t y_rs, ptrdiff_t y_cs);
int pg_dense_sigmoid_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *x, ptrdiff_t x_rs,
                         ptrdiff_t x_cs, const double *w, ptrdiff_t w_rs, ptrdiff_t w_cs, const double *b,
                         ptrdiff_t b_cs, double *z, ptrdiff_t z_rs, ptrdiff_t z_cs, double *y, ptrdiff_t y_rs,
                         ptrdiff_t y_cs);

/* dx, dw, db from dz and the preactivation y */
int pg_dense_sigmoid_backward_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *dz, ptrdiff_t dz_rs,
                                  ptrdiff_t dz_cs, const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, const float *w,
                                  ptrdiff_t w_rs, ptrdiff_t w_cs, const float *y, ptrdiff_t y_rs, ptrdiff_t y_cs,
                                  float *dx, ptrdiff_t dx_rs, ptrdiff_t dx_cs, float *dw, ptrdiff_t dw_rs,
                                  ptrdiff_t dw_cs, float *db, ptrdiff_t db_cs);
int pg_dense_sigmoid_backward_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *dz, ptrdiff_t dz_rs,
                                  ptrdiff_t dz_cs, const double *x, ptrdiff_t x_rs, ptrdiff_t x_cs, const double *w,
                                  ptrdiff_t w_rs, ptrdiff_t w_cs, const double *y, ptrdiff_t y_rs, ptrdiff_t y_cs,
                                  double *dx, ptrdiff_t dx_rs, ptrdiff_t dx_cs, double *dw, ptrdiff_t dw_rs,
                                  ptrdiff_t dw_cs, double *db, ptrdiff_t db_cs);

/* loss = sum(sigmoid(x w + b)**2) / rows and its gradients. Returns the loss, which is never negative, or minus a
 * status. */
double pg_dense_sigmoid_value_and_grad_f32(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const float *x,
                                           ptrdiff_t x_rs, ptrdiff_t x_cs, const float *w, ptrdiff_t w_rs,
                                           ptrdiff_t w_cs, const float *b, ptrdiff_t b_cs, float *dx, ptrdiff_t dx_rs,
                                           ptrdiff_t dx_cs, float *dw, ptrdiff_t dw_rs, ptrdiff_t dw_cs, float *db,
                                           ptrdiff_t db_cs);
double pg_dense_sigmoid_value_and_grad_f64(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t columns, const double *x,
                                           ptrdiff_t x_rs, ptrdiff_t x_cs, const double *w, ptrdiff_t w_rs,
                                           ptrdiff_t w_cs, const double *b, ptrdiff_t b_cs, double *dx, ptrdiff_t dx_rs,
                                           ptrdiff_t dx_cs, double *dw, ptrdiff_t dw_rs, ptrdiff_t dw_cs, double *db,
                                           ptrdiff_t db_cs);

/* What the machine can do, for `pygrad bench`: rounds of multiply-adds in registers (returns their flop), a copy of n
 * contiguous elements past the caches where the ISA has such stores, a pass of reading (returns the sum). */
double pg_probe_muladd_f32(ptrdiff_t rounds);
double pg_probe_muladd_f64(ptrdiff_t rounds);
void pg_probe_copy_f32(ptrdiff_t n, const float *from, float *to);
void pg_probe_copy_f64(ptrdiff_t n, const double *from, double *to);
double pg_probe_read_f32(ptrdiff_t n, const float *from);
double pg_probe_read_f64(ptrdiff_t n, const double *from);

/* Names separated by spaces: the kernels; the ISAs that were built, best first. */
const char *pg_kernel_names(void);
const char *pg_isas_built(void);

/* Whether CPU and operating system run the ISA of that name; the choice of one (0, or -1 where it is not to be had
 * here: portable is in use until the first choice); and the one in use. */
int pg_isa_runs(const char *name);
int pg_use_isa(const char *name);
const char *pg_isa(void);

const char *pg_compiler(void);

/* How many threads a call may use, the caller among them; a call that is not worth it uses fewer. */
int pg_num_threads(void);
void pg_set_num_threads(int threads);

#endif
