/* The exported functions: checks of what Python leaves to C, reduction to matrices, and the call of the kernel in use. */
#include "pygrad.h"

#include <stdbool.h>
#include <stdint.h>

#include "dispatch.h"

enum { MOST_DIMENSIONS = 64, MOST_INPUTS = 4, MOST_OUTPUTS = 3 };

/* What is at a pg_array: the beginning of a NumPy array. Strides are in bytes. */
struct array {
    ptrdiff_t references; /* what every Python object begins with: this, and its type */
    uintptr_t type;
    void *p;
    int ndim;
    const ptrdiff_t *shape, *strides;
    const void *base;
    uintptr_t dtype;
    int flags;
};

enum { WRITEABLE = 0x400 }; /* of these flags */

static const struct array no_array = {.p = NULL};

static struct array array_at(pg_array a) { return a ? *(const struct array *)a : no_array; }

int pg_finds(pg_array a, uintptr_t type, const void *p, int ndim, ptrdiff_t first_size, ptrdiff_t first_stride,
             uintptr_t dtype, int flags) {
    const struct array array = array_at(a);
    return array.type == type && array.p == p && array.ndim == ndim && array.shape[0] == first_size &&
           array.strides[0] == first_stride && array.dtype == dtype && array.flags == flags;
}

/* Whether another Python object, which may be anything, is an array of the type and dtype of `a`. */
static bool is_like(pg_array other, pg_array a) {
    const struct array *const o = (const struct array *)other, *const array = (const struct array *)a;
    return o->type == array->type && o->dtype == array->dtype;
}

/* Whether arrays fit together as a product's a and b, or as a layer's x, w and b. */
static bool is_product(struct array a, struct array b) {
    return a.ndim == 2 && b.ndim == 2 && a.shape[1] == b.shape[0];
}
static bool is_layer(struct array x, struct array w, struct array b) {
    return is_product(x, w) && (b.ndim == 1 || (b.ndim == 2 && b.shape[0] == 1)) && b.shape[b.ndim - 1] == w.shape[1];
}

/* Whether an array can be broadcast to the shape of another. */
static bool is_stretchable(struct array a, struct array to) {
    bool fits = a.ndim <= to.ndim;
    for (int i = 0; fits && i < a.ndim; i++) fits = a.shape[i] == 1 || a.shape[i] == to.shape[to.ndim - a.ndim + i];
    return fits;
}

/* Whether a Python object can be the product of two arrays, or the gradient by one. */
static bool is_product_of(pg_array product, pg_array a, pg_array b) {
    if (!is_like(product, a)) return false;
    const struct array p = array_at(product);
    return p.ndim == 2 && (p.flags & WRITEABLE) && p.shape[0] == array_at(a).shape[0] &&
           p.shape[1] == array_at(b).shape[1];
}
static bool is_gradient_by(pg_array gradient, pg_array by) {
    if (!is_like(gradient, by)) return false;
    const struct array g = array_at(gradient), a = array_at(by);
    bool same = g.ndim == a.ndim && (g.flags & WRITEABLE);
    for (int i = 0; same && i < a.ndim; i++) same = g.shape[i] == a.shape[i];
    return same;
}

/* An array as it is broadcast to the shape of another, with a stride of 0 along stretched dimensions. */
static struct array stretched(struct array a, struct array to, ptrdiff_t strides[MOST_DIMENSIONS]) {
    for (int i = 0; i < to.ndim; i++) {
        const int own = i - (to.ndim - a.ndim);
        strides[i] = own < 0 || a.shape[own] == 1 ? 0 : a.strides[own];
    }
    return (struct array){.p = a.p, .ndim = to.ndim, .shape = to.shape, .strides = strides};
}

/* The calling thread's control of floating-point arithmetic: other libraries may have it round elsewhere or flush
 * subnormal numbers to zero. Kernels, and workers, which inherit it, have the default of IEEE 754. */
#if defined(__x86_64__)
#include <xmmintrin.h>
enum { IEEE_CONTROL = 0x1f80, STATUS = 0x3f };
static inline unsigned long control(void) { return _mm_getcsr() & ~(unsigned)STATUS; }
static inline void set_control(unsigned long c) { _mm_setcsr((unsigned)c); }
#elif defined(__aarch64__)
enum { IEEE_CONTROL = 0 };
static inline unsigned long control(void) {
    unsigned long c;
    __asm__ volatile("mrs %0, fpcr" : "=r"(c));
    return c;
}
static inline void set_control(unsigned long c) { __asm__ volatile("msr fpcr, %0" : : "r"(c)); }
#else
enum { IEEE_CONTROL = 0 };
static inline unsigned long control(void) { return IEEE_CONTROL; }
static inline void set_control(unsigned long c) { (void)c; }
#endif

static inline unsigned long ieee_begin(void) {
    const unsigned long before = control();
    if (before != IEEE_CONTROL) set_control(IEEE_CONTROL);
    return before;
}

static inline void ieee_end(const unsigned long *before) {
    if (*before != IEEE_CONTROL) set_control(*before);
}

/* From here to the end of the function. */
#define IEEE_ARITHMETIC const unsigned long before __attribute__((cleanup(ieee_end), unused)) = ieee_begin()

struct range {
    uintptr_t low, high;
};

/* The addresses from the first to the last byte of an array. */
static struct range range_of(struct array a, size_t element) {
    struct range r = {(uintptr_t)a.p, (uintptr_t)a.p + element};
    for (int i = 0; i < a.ndim; i++) {
        if (a.shape[i] == 0) return (struct range){0, 0};
        const ptrdiff_t reach = (a.shape[i] - 1) * a.strides[i];
        if (reach < 0)
            r.low -= (uintptr_t)-reach;
        else
            r.high += (uintptr_t)reach;
    }
    return r;
}

static bool meet(struct range a, struct range b) { return a.low < b.high && b.low < a.high; }

static bool is_aligned(struct array a, size_t element) {
    uintptr_t any = (uintptr_t)a.p;
    for (int i = 0; i < a.ndim; i++)
        if (a.shape[i] > 1) any |= (uintptr_t)a.strides[i];
    return any % element == 0;
}

static bool coincide(struct array a, struct array b) {
    if (a.p != b.p || a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; i++)
        if (a.shape[i] > 1 && a.strides[i] != b.strides[i]) return false;
    return true;
}

/* Whether every element surely has an address of its own: each stride steps over all that smaller strides reach. */
static bool is_distinct(struct array a, size_t element) {
    for (int i = 0; i < a.ndim; i++)
        if (a.shape[i] == 0) return true;
    for (int i = 0; i < a.ndim; i++) {
        if (a.shape[i] == 1) continue;
        const ptrdiff_t step = a.strides[i] < 0 ? -a.strides[i] : a.strides[i];
        ptrdiff_t reach = (ptrdiff_t)element;
        for (int j = 0; j < a.ndim; j++) {
            const ptrdiff_t other = a.strides[j] < 0 ? -a.strides[j] : a.strides[j];
            if (j != i && a.shape[j] > 1 && (other < step || (other == step && j < i)))
                reach += (a.shape[j] - 1) * other;
        }
        if (step < reach) return false;
    }
    return true;
}

/* The status that outputs and inputs give; outputs with a NULL pointer are not looked at. */
static int check(size_t element, int outputs, const struct array *out, int inputs, const struct array *in,
                 bool may_coincide) {
    int status = PG_OK;
    struct range read[MOST_INPUTS], written[MOST_OUTPUTS];
    for (int i = 0; i < inputs; i++) {
        read[i] = range_of(in[i], element);
        if (!is_aligned(in[i], element)) status = PG_UNALIGNED;
    }
    for (int o = 0; o < outputs; o++) {
        if (!out[o].p) continue;
        written[o] = range_of(out[o], element);
        for (int other = 0; other < o; other++)
            if (out[other].p && meet(written[o], written[other])) return PG_OUTPUTS;
        if (!is_aligned(out[o], element)) status = PG_UNALIGNED;
        if (!is_distinct(out[o], element)) status = PG_OVERLAP;
        for (int i = 0; i < inputs; i++)
            if (meet(written[o], read[i]) && !(may_coincide && coincide(out[o], in[i]))) status = PG_OVERLAP;
    }
    return status;
}

/* Walks arrays of one shape, output first, in matrices: dimensions are ordered by the output's strides and merged where
 * all arrays allow it; the last two that remain are the matrix. Offsets and strides count elements. */
struct walk {
    int arrays, ndim;
    ptrdiff_t m, n;
    ptrdiff_t shape[MOST_DIMENSIONS], index[MOST_DIMENSIONS];
    ptrdiff_t stride[3][MOST_DIMENSIONS], offset[3], rs[3], cs[3];
};

/* false where there is no element to visit */
static bool walk_start(struct walk *w, size_t element, int arrays, const struct array *a) {
    w->arrays = arrays;
    w->ndim = 0;
    for (int i = 0; i < a[0].ndim; i++) {
        if (a[0].shape[i] == 0) return false;
        if (a[0].shape[i] == 1) continue;
        int at = w->ndim++;
        ptrdiff_t stride[3];
        for (int k = 0; k < arrays; k++) stride[k] = a[k].strides[i] / (ptrdiff_t)element;
        const ptrdiff_t size = stride[0] < 0 ? -stride[0] : stride[0];
        for (; at > 0; at--) {
            const ptrdiff_t before = w->stride[0][at - 1];
            if ((before < 0 ? -before : before) >= size) break;
            w->shape[at] = w->shape[at - 1];
            for (int k = 0; k < arrays; k++) w->stride[k][at] = w->stride[k][at - 1];
        }
        w->shape[at] = a[0].shape[i];
        for (int k = 0; k < arrays; k++) w->stride[k][at] = stride[k];
    }
    int merged = 0;
    for (int i = 1; i < w->ndim; i++) {
        bool merge = true;
        for (int k = 0; k < arrays; k++) merge = merge && w->stride[k][merged] == w->shape[i] * w->stride[k][i];
        merged += !merge;
        w->shape[merged] = merge ? w->shape[merged] * w->shape[i] : w->shape[i];
        for (int k = 0; k < arrays; k++) w->stride[k][merged] = w->stride[k][i];
    }
    w->ndim = w->ndim ? merged + 1 : 0;
    w->n = w->ndim > 0 ? w->shape[w->ndim - 1] : 1;
    w->m = w->ndim > 1 ? w->shape[w->ndim - 2] : 1;
    for (int k = 0; k < arrays; k++) {
        w->offset[k] = 0;
        w->cs[k] = w->ndim > 0 ? w->stride[k][w->ndim - 1] : 1;
        w->rs[k] = w->ndim > 1 ? w->stride[k][w->ndim - 2] : w->n * w->cs[k];
    }
    w->ndim = w->ndim > 2 ? w->ndim - 2 : 0;
    for (int i = 0; i < w->ndim; i++) w->index[i] = 0;
    return true;
}

/* On to the next matrix; false after the last one. */
static bool walk_on(struct walk *w) {
    for (int i = w->ndim - 1; i >= 0; i--) {
        for (int k = 0; k < w->arrays; k++) w->offset[k] += w->stride[k][i];
        if (++w->index[i] < w->shape[i]) return true;
        for (int k = 0; k < w->arrays; k++) w->offset[k] -= w->shape[i] * w->stride[k][i];
        w->index[i] = 0;
    }
    return false;
}

#define REAL float
#define T f32
#include "exports.inc"
#undef REAL
#undef T

#define REAL double
#define T f64
#include "exports.inc"
