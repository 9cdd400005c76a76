/* The vector verbs for AVX-512 (F, DQ, BW, VL). vec_portable.h says what each verb means. */
#include <immintrin.h>
#include <stddef.h>

#define ISA_NAME avx512
#define ISA_TARGET "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"
#include "target.h"
#include "unroll.h"

/* 32 registers: 28 accumulators, 2 vectors of b, a from memory */
#define TILE_LIST(X)                                                                                                   \
    X(14, 2)                                                                                                           \
    X(14, 1)                                                                                                           \
    X(8, 2)                                                                                                            \
    X(8, 1) X(6, 4) X(6, 1) X(4, 4) X(4, 2) X(4, 1) X(2, 8) X(2, 4) X(2, 2) X(2, 1) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
enum { TILE_ROWS = 14, L2_CACHE = 1024 * 1024, FETCH_ROWS_OF_B = 1 };
enum { FEW_IN_PRODUCTS = 8, FEW_IN_GRADIENTS = 8, FEW_BEHIND = 4 };
#define FEW_COLUMNS 8

#if REAL_BITS == 32
typedef __m512 vec;
typedef __m512d wide;
typedef __mmask16 mask;
enum { LANES = 16, TRANSPOSED = 4 };
#define V(op) _mm512_##op##_ps
#else
typedef __m512d vec;
typedef __mmask8 mask;
enum { LANES = 8, TRANSPOSED = 4 };
#define V(op) _mm512_##op##_pd
#endif

#include "vec_x86.h"

static inline mask first(ptrdiff_t n) { return (mask)((1u << n) - 1u); }
static inline vec load_first(const real *p, mask m) { return V(maskz_loadu)(m, p); }
static inline void store_first(real *p, vec v, mask m) { V(mask_storeu)(p, m, v); }
#if REAL_BITS == 32
static inline vec where_negative(vec x, vec a, vec b) {
    return _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x)), b, a);
}
static inline wide widen_low(vec v) { return _mm512_cvtps_pd(_mm512_castps512_ps256(v)); }
static inline wide widen_high(vec v) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)); }
static inline vec narrow(wide low, wide high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}
static inline wide wide_fmadd(wide a, wide b, wide c) { return _mm512_fmadd_pd(a, b, c); }
static inline wide wide_muladd(wide a, wide b, wide c) { return _mm512_fmadd_pd(a, b, c); }
static inline vec zip_low(vec a, vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
}
static inline vec zip_high(vec a, vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
                                  b);
}
#include "vec_float.h"
/* Row 4q + i goes to lane group q of v[i], then each lane group is transposed. */
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    __m512 v[4];
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        v[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + column));
        v[i] = _mm512_mask_broadcast_f32x4(v[i], 0x00f0, _mm_loadu_ps(row[4 + i] + column));
        v[i] = _mm512_mask_broadcast_f32x4(v[i], 0x0f00, _mm_loadu_ps(row[8 + i] + column));
        v[i] = _mm512_mask_broadcast_f32x4(v[i], 0xf000, _mm_loadu_ps(row[12 + i] + column));
    }
    __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(v[0], v[1])), b = _mm512_castps_pd(_mm512_unpacklo_ps(v[2], v[3]));
    __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(v[0], v[1])), d = _mm512_castps_pd(_mm512_unpackhi_ps(v[2], v[3]));
    out[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    out[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    out[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    out[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
}
#else
static inline vec where_negative(vec x, vec a, vec b) {
    return _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(x)), b, a);
}
static inline vec zip_low(vec a, vec b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b);
}
static inline vec zip_high(vec a, vec b) {
    return _mm512_permutex2var_pd(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b);
}
#include "vec_double.h"
/* Rows i and 2 + i, and 4 + i and 6 + i, go to the halves of v[i] and v[2 + i]. */
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    __m512d v[4], t[4];
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        const int upper = i / 2 * 4 + i % 2;
        v[i] = _mm512_mask_broadcast_f64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(row[upper] + column)), 0xf0,
                                           _mm256_loadu_pd(row[upper + 2] + column));
    }
    UNROLL(2)
    for (int i = 0; i < 4; i += 2) {
        t[i] = _mm512_unpacklo_pd(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_pd(v[i], v[i + 1]);
    }
    UNROLL(2)
    for (int i = 0; i < 2; i++) {
        out[i] = _mm512_shuffle_f64x2(t[i], t[2 + i], 0x88);
        out[2 + i] = _mm512_shuffle_f64x2(t[i], t[2 + i], 0xdd);
    }
}
#endif
