/* The vector verbs in portable C, and what each verb means. A vec is a row of LANES numbers; verbs act lane by lane. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ISA_NAME portable
#define TARGET_END
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os") /* a third smaller, and a few percent slower */
#endif

/* The tiles; the rows of the highest one; bytes of a core's L2 cache; whether memory is told early which rows of b it has to
 * deliver, where few are read side by side; how many columns are few always, and behind whole vectors; and the most that ever
 * are: 2, 6 or 8. */
#define TILE_LIST(X) X(4, 2) X(4, 1) X(2, 2) X(2, 1) X(1, 4) X(1, 2) X(1, 1)
enum { TILE_ROWS = 4, L2_CACHE = 1024 * 1024, FETCH_ROWS_OF_B = 1 };
enum { FEW_IN_PRODUCTS = 2, FEW_IN_GRADIENTS = 2, FEW_BEHIND = 1 };
#define FEW_COLUMNS 2

#if REAL_BITS == 32
enum { LANES = 4, TRANSPOSED = 4 };
#define FMA fmaf
#else
enum { LANES = 2, TRANSPOSED = 2 };
#define FMA fma
#endif

typedef real vec __attribute__((vector_size(16)));
#if REAL_BITS == 32
typedef double wide __attribute__((vector_size(16))); /* half a vec in float64 */
#endif
typedef ptrdiff_t mask;

#define EACH_LANE for (int i = 0; i < LANES; i++)

/* The mask of the first n <= LANES lanes. load_first reads only those and gives 0 in the others; store_first writes only
 * those. */
static inline mask first(ptrdiff_t n) { return n; }
static inline vec load(const real *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store(real *p, vec v) { memcpy(p, &v, sizeof v); }
/* Store past the caches, if the ISA can, to a p that is a multiple of sizeof(vec); after the last one, stream_end. */
static inline void stream(real *p, vec v) { store(p, v); }
static inline void stream_end(void) {}
static inline vec load_first(const real *p, mask m) {
    real lanes[LANES] = {0};
    for (ptrdiff_t i = 0; i < m; i++) lanes[i] = p[i];
    return load(lanes);
}
static inline void store_first(real *p, vec v, mask m) {
    real lanes[LANES];
    store(lanes, v);
    for (ptrdiff_t i = 0; i < m; i++) p[i] = lanes[i];
}
static inline vec broadcast(real s) { return s - (vec){0}; }
static inline vec add(vec a, vec b) { return a + b; }
static inline vec sub(vec a, vec b) { return a - b; }
static inline vec mul(vec a, vec b) { return a * b; }
static inline vec quotient(vec a, vec b) { return a / b; }

/* a b + c, c - a b and a b - c, each rounded once on every ISA (by the C library where the CPU has no FMA): the sigmoid
 * needs the exact error of a product, or all of it. */
static inline vec fmadd(vec a, vec b, vec c) {
    EACH_LANE c[i] = FMA(a[i], b[i], c[i]);
    return c;
}
static inline vec fnmadd(vec a, vec b, vec c) { return fmadd(-a, b, c); }
static inline vec fmsub(vec a, vec b, vec c) { return fmadd(a, b, -c); }

/* a b + c in a sum of products: rounded once where the CPU has FMA. Where it has not, a fused operation would take the
 * C library a hundred times as long, so in muladd and wide_muladd alone the product is rounded too. */
#if defined(FP_FAST_FMA) || defined(__FMA__)
static inline vec muladd(vec a, vec b, vec c) { return fmadd(a, b, c); }
#else
static inline vec muladd(vec a, vec b, vec c) { return a * b + c; }
#endif

/* The larger of a and b; b where b is NaN. */
static inline vec max_or_nan(vec a, vec b) {
    EACH_LANE a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}
/* The smaller of a and b; b where b is NaN. */
static inline vec min_or_nan(vec a, vec b) {
    EACH_LANE a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}
static inline vec minus_abs(vec a) {
    EACH_LANE a[i] = a[i] > 0 ? -a[i] : a[i];
    return a;
}
/* a where x < 0, else b; either where x is a zero or NaN. */
static inline vec where_negative(vec x, vec a, vec b) {
    EACH_LANE a[i] = x[i] < 0 ? a[i] : b[i];
    return a;
}
/* The lanes of a and b in turn: a[0], b[0], a[1], ...: those of the lower half, and of the upper. */
static inline vec zip_low(vec a, vec b) {
    vec v;
    EACH_LANE v[i] = i % 2 ? b[i / 2] : a[i / 2];
    return v;
}
static inline vec zip_high(vec a, vec b) {
    vec v;
    EACH_LANE v[i] = i % 2 ? b[(LANES + i) / 2] : a[(LANES + i) / 2];
    return v;
}
#if REAL_BITS == 32
/* The lower and the upper half of a vec in float64, back again (each rounded once), and fmadd and muladd for them; their
 * other arithmetic is by C's operators. */
static inline wide widen_low(vec v) { return (wide){(double)v[0], (double)v[1]}; }
static inline wide widen_high(vec v) { return (wide){(double)v[2], (double)v[3]}; }
static inline vec narrow(wide low, wide high) {
    return (vec){(float)low[0], (float)low[1], (float)high[0], (float)high[1]};
}
static inline wide wide_fmadd(wide a, wide b, wide c) { return (wide){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])}; }
#if defined(FP_FAST_FMA) || defined(__FMA__)
static inline wide wide_muladd(wide a, wide b, wide c) { return wide_fmadd(a, b, c); }
#else
static inline wide wide_muladd(wide a, wide b, wide c) { return a * b + c; }
#endif
#endif
/* LANES doubles at d: set to the sum of those at `before` and v, added v**2 to; and rounded to a vec. For float64 a wide is
 * a vec. */
#if REAL_BITS == 32
#include "vec_float.h"
#else
#include "vec_double.h"
#endif
/* out[t] = column + t of LANES rows, for TRANSPOSED columns. */
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    for (int t = 0; t < TRANSPOSED; t++) {
        real lanes[LANES];
        EACH_LANE lanes[i] = row[i][column + t];
        out[t] = load(lanes);
    }
}
