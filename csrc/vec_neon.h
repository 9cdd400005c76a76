/* The vector verbs for NEON (AArch64, where FMA is always there). vec_portable.h says what each verb means. */
#include <arm_neon.h>
#include <stddef.h>

#define ISA_NAME neon
#define TARGET_END /* every AArch64 CPU has NEON: no region is needed */

/* 32 registers: 24 accumulators, 2 vectors of b, a from memory */
#define TILE_LIST(X)                                                                                                   \
    X(12, 2)                                                                                                           \
    X(12, 1) X(8, 2) X(8, 1) X(4, 4) X(4, 2) X(4, 1) X(2, 8) X(2, 4) X(2, 2) X(2, 1) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
enum { TILE_ROWS = 12 };

#if REAL_BITS == 32
typedef float32x4_t vec;
enum { LANES = 4, TRANSPOSED = 4 };
#define V(op) op##_f32
#define FROM_BITS vreinterpretq_f32_u32
#define TO_BITS vreinterpretq_u32_f32
#define SHIFT vshlq_n_u32
#else
typedef float64x2_t vec;
enum { LANES = 2, TRANSPOSED = 2 };
#define V(op) op##_f64
#define FROM_BITS vreinterpretq_f64_u64
#define TO_BITS vreinterpretq_u64_f64
#define SHIFT vshlq_n_u64
#endif
typedef ptrdiff_t mask; /* NEON has no masked access: the number of lanes, copied one by one */

static inline mask first(ptrdiff_t n) { return n; }
static inline vec load(const real *p) { return V(vld1q)(p); }
static inline void store(real *p, vec v) { V(vst1q)(p, v); }
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
static inline vec minus_abs(vec a) { return V(vnegq)(V(vabsq)(a)); }
static inline vec where_negative(vec x, vec a, vec b) { return V(vbslq)(V(vcltzq)(x), a, b); }
static inline vec exponent_of(vec a) { return FROM_BITS(SHIFT(TO_BITS(a), EXPONENT_BITS)); }
#if REAL_BITS == 32
static inline void store_double(double *d, vec v) {
    vst1q_f64(d, vcvt_f64_f32(vget_low_f32(v)));
    vst1q_f64(d + 2, vcvt_high_f64_f32(v));
}
static inline void add_double(double *d, vec v) {
    vst1q_f64(d, vaddq_f64(vld1q_f64(d), vcvt_f64_f32(vget_low_f32(v))));
    vst1q_f64(d + 2, vaddq_f64(vld1q_f64(d + 2), vcvt_high_f64_f32(v)));
}
static inline void add_squares(double *d, vec v) {
    float64x2_t low = vcvt_f64_f32(vget_low_f32(v)), high = vcvt_high_f64_f32(v);
    vst1q_f64(d, vfmaq_f64(vld1q_f64(d), low, low));
    vst1q_f64(d + 2, vfmaq_f64(vld1q_f64(d + 2), high, high));
}
static inline vec load_double(const double *d) {
    return vcvt_high_f32_f64(vcvt_f32_f64(vld1q_f64(d)), vld1q_f64(d + 2));
}
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
