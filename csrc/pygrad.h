/* What Python sees: every exported function. cffi reads this file too, so each prototype is written once: plain C
 * without macros (lines that begin with a hash sign are for the compiler only).
 *
 * An array is passed as the address of the NumPy array, which is what Python's id() gives. x is (r,k), w (k,c), b (c,) or
 * (1,c), y, z, dy and dz (r,c); strides may be zero or negative. An output of 0 is not computed.
 *
 * Each function checks what Python cannot check cheaply and computes nothing unless it returns PG_OK:
 * PG_OVERLAP    an output may share memory with an input, or elements of an output with each other (elementwise functions
 *               accept an output that coincides with an input);
 * PG_OUTPUTS    two outputs may share memory;
 * PG_UNALIGNED  an address or stride is not a multiple of the element size;
 * PG_NO_MEMORY  no scratch memory could be had;
 * PG_UNFIT      the functions whose small calls leave it to C (matmul, add, dense_sigmoid, dense_sigmoid_value_and_grad):
 *               an input is not of the first one's type and dtype, shapes do not fit together, or an output (but of add)
 *               is of another type or dtype, or read-only.
 */
#ifndef PYGRAD_H
#define PYGRAD_H
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t pg_array;

enum pg_status { PG_OK = 0, PG_OVERLAP = 1, PG_OUTPUTS = 2, PG_UNALIGNED = 3, PG_NO_MEMORY = 4, PG_UNFIT = 5 };

/* Whether an array is where and what it should be: the test of whether arrays are as pygrad.c says. type and dtype are
 * what Python's id() gives, flags what NumPy's flags.num does. */
int pg_finds(pg_array a, uintptr_t type, const void *p, int ndim, ptrdiff_t first_size, ptrdiff_t first_stride,
             uintptr_t dtype, int flags);

/* c = a b: (m,k) (k,n) -> (m,n) */
int pg_matmul_f32(pg_array a, pg_array b, pg_array c);
int pg_matmul_f64(pg_array a, pg_array b, pg_array c);

/* out = a + b, broadcast to the shape of out */
int pg_add_f32(pg_array a, pg_array b, pg_array out);
int pg_add_f64(pg_array a, pg_array b, pg_array out);

/* z = 1 / (1 + exp(-y)) */
int pg_sigmoid_f32(pg_array y, pg_array z);
int pg_sigmoid_f64(pg_array y, pg_array z);

/* dy = dz * sigmoid'(y) */
int pg_sigmoid_backward_f32(pg_array dz, pg_array y, pg_array dy);
int pg_sigmoid_backward_f64(pg_array dz, pg_array y, pg_array dy);

/* z = sigmoid(y), y = x w + b; y is stored where it is not 0 */
int pg_dense_sigmoid_f32(pg_array x, pg_array w, pg_array b, pg_array z, pg_array y);
int pg_dense_sigmoid_f64(pg_array x, pg_array w, pg_array b, pg_array z, pg_array y);

/* dx, dw, db from dz and the preactivation y */
int pg_dense_sigmoid_backward_f32(pg_array dz, pg_array x, pg_array w, pg_array y, pg_array dx, pg_array dw,
                                  pg_array db);
int pg_dense_sigmoid_backward_f64(pg_array dz, pg_array x, pg_array w, pg_array y, pg_array dx, pg_array dw,
                                  pg_array db);

/* loss = sum(sigmoid(x w + b)**2) / r and its gradients. Returns the loss, which is never negative, or minus a status. */
double pg_dense_sigmoid_value_and_grad_f32(pg_array x, pg_array w, pg_array b, pg_array dx, pg_array dw, pg_array db);
double pg_dense_sigmoid_value_and_grad_f64(pg_array x, pg_array w, pg_array b, pg_array dx, pg_array dw, pg_array db);

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
