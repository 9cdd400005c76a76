/* The vector verbs for NEON (AArch64, where FMA is always there). vec_portable.h says what each verb means. */
#include <arm_neon.h>
#include <stddef.h>

#define ISA_NAME neon
#define TARGET_END /* every AArch64 CPU has NEON: no region is needed */

/* 32 registers: 24 accumulators, 2 vectors of b, a from memory */
#define TILE_LIST(X)                                                                                                   \
    X(12, 2)                                                                                                           \
    X(12, 1) X(8, 2) X(8, 1) X(4, 4) X(4, 2) X(4, 1) X(2, 8) X(2, 4) X(2, 2) X(2, 1) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
enum { TILE_ROWS = 12, L2_CACHE = 1024 * 1024, FETCH_ROWS_OF_B = 1 };
enum { FEW_IN_PRODUCTS = 8, FEW_IN_GRADIENTS = 8, FEW_BEHIND = 4 };
#define FEW_COLUMNS 8

#if REAL_BITS == 32
typedef float32x4_t vec;
typedef float64x2_t wide;
enum { LANES = 4, TRANSPOSED = 4 };
#define V(op) op##_f32
#else
typedef float64x2_t vec;
enum { LANES = 2, TRANSPOSED = 2 };
#define V(op) op##_f64
#endif
typedef ptrdiff_t mask; /* NEON has no masked access: the number of lanes, copied one by one */

static inline mask first(ptrdiff_t n) { return n; }
static inline vec load(const real *p) { return V(vld1q)(p); }
static inline void store(real *p, vec v) { V(vst1q)(p, v); }
static inline void stream(real *p, vec v) { store(p, v); }
static inline void stream_end(void) {}
static inline vec load_first(const real *p, mask m) {
    if (m == LANES) return load(p);
    real lanes[LANES] = {0};
    for (ptrdiff_t i = 0; i < m; i++) lanes[i] = p[i];
    return load(lanes);
}
static inline void store_first(real *p, vec v, mask m) {
    real lanes[LANES];
    store(lanes, v);
    if (m == LANES)
        store(p, v);
    else
        for (ptrdiff_t i = 0; i < m; i++) p[i] = lanes[i];
}
static inline vec broadcast(real s) { return V(vdupq_n)(s); }
static inline vec add(vec a, vec b) { return V(vaddq)(a, b); }
static inline vec sub(vec a, vec b) { return V(vsubq)(a, b); }
static inline vec mul(vec a, vec b) { return V(vmulq)(a, b); }
static inline vec quotient(vec a, vec b) { return V(vdivq)(a, b); }
static inline vec fmadd(vec a, vec b, vec c) { return V(vfmaq)(c, a, b); }
static inline vec fnmadd(vec a, vec b, vec c) { return V(vfmsq)(c, a, b); }
static inline vec fmsub(vec a, vec b, vec c) { return V(vfmaq)(V(vnegq)(c), a, b); }
static inline vec muladd(vec a, vec b, vec c) { return V(vfmaq)(c, a, b); }
static inline vec max_or_nan(vec a, vec b) { return V(vmaxq)(a, b); }
static inline vec min_or_nan(vec a, vec b) { return V(vminq)(a, b); }
static inline vec minus_abs(vec a) { return V(vnegq)(V(vabsq)(a)); }
static inline vec where_negative(vec x, vec a, vec b) { return V(vbslq)(V(vcltzq)(x), a, b); }
static inline vec zip_low(vec a, vec b) { return V(vzip1q)(a, b); }
static inline vec zip_high(vec a, vec b) { return V(vzip2q)(a, b); }
#if REAL_BITS == 32
static inline wide widen_low(vec v) { return vcvt_f64_f32(vget_low_f32(v)); }
static inline wide widen_high(vec v) { return vcvt_high_f64_f32(v); }
static inline vec narrow(wide low, wide high) { return vcvt_high_f32_f64(vcvt_f32_f64(low), high); }
static inline wide wide_fmadd(wide a, wide b, wide c) { return vfmaq_f64(c, a, b); }
static inline wide wide_muladd(wide a, wide b, wide c) { return vfmaq_f64(c, a, b); }
#include "vec_float.h"
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    float32x4x2_t a = vtrnq_f32(load(row[0] + column), load(row[1] + column));
    float32x4x2_t b = vtrnq_f32(load(row[2] + column), load(row[3] + column));
    out[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    out[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    out[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    out[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}
#else
#include "vec_double.h"
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    vec a = load(row[0] + column), b = load(row[1] + column);
    out[0] = vzip1q_f64(a, b);
    out[1] = vzip2q_f64(a, b);
}
#endif
