/* The vector verbs for AVX2 with FMA. vec_portable.h says what each verb means. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define ISA_NAME avx2
#define ISA_TARGET "avx2,fma"
#include "target.h"
#include "unroll.h"

/* 16 registers: 12 accumulators, 2 vectors of b, one of a */
#define TILE_LIST(X) X(6, 2) X(6, 1) X(4, 2) X(4, 1) X(2, 4) X(2, 2) X(2, 1) X(1, 8) X(1, 4) X(1, 2) X(1, 1)
/* The caches are smaller than those of CPUs with AVX-512, and Zen 3 reads rows side by side faster by itself. */
enum { TILE_ROWS = 6, L2_CACHE = 512 * 1024, FETCH_ROWS_OF_B = 0 };
enum { FEW_IN_PRODUCTS = 6, FEW_IN_GRADIENTS = 4, FEW_BEHIND = 2 };
#if REAL_BITS == 32
#define FEW_COLUMNS 8
#else
#define FEW_COLUMNS 6
#endif

typedef __m256i mask;
#if REAL_BITS == 32
typedef __m256 vec;
typedef __m256d wide;
enum { LANES = 8, TRANSPOSED = 4 };
#define V(op) _mm256_##op##_ps
static inline mask first(ptrdiff_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#else
typedef __m256d vec;
enum { LANES = 4, TRANSPOSED = 2 };
#define V(op) _mm256_##op##_pd
static inline mask first(ptrdiff_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
#endif

#include "vec_x86.h"

/* In pieces of 16, 8 and 4 bytes, whatever the dtype: AMD's CPUs take 16 cycles and more for a masked store. */
static inline void store_first(real *p, vec v, mask m) {
    int floats = _mm256_movemask_ps((__m256)m);
    if (floats & 1 << 7) {
        store(p, v);
        return;
    }
    float *to = (float *)p;
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (floats & 1 << 3) {
        _mm_storeu_ps(to, rest);
        rest = _mm256_extractf128_ps((__m256)v, 1);
        to += 4;
        floats >>= 4;
    }
    if (floats & 1 << 1) {
        _mm_storel_pi((__m64 *)to, rest);
        rest = _mm_movehl_ps(rest, rest);
        to += 2;
        floats >>= 2;
    }
    if (REAL_BITS == 32 && floats & 1) _mm_store_ss(to, rest);
}
static inline vec load_first(const real *p, mask m) { return V(maskload)(p, m); }
static inline vec where_negative(vec x, vec a, vec b) { return V(blendv)(b, a, x); }
static inline vec zip_low(vec a, vec b) { return V(permute2f128)(V(unpacklo)(a, b), V(unpackhi)(a, b), 0x20); }
static inline vec zip_high(vec a, vec b) { return V(permute2f128)(V(unpacklo)(a, b), V(unpackhi)(a, b), 0x31); }
#if REAL_BITS == 32
static inline wide widen_low(vec v) { return _mm256_cvtps_pd(_mm256_castps256_ps128(v)); }
static inline wide widen_high(vec v) { return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)); }
static inline vec narrow(wide low, wide high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}
static inline wide wide_fmadd(wide a, wide b, wide c) { return _mm256_fmadd_pd(a, b, c); }
static inline wide wide_muladd(wide a, wide b, wide c) { return _mm256_fmadd_pd(a, b, c); }
#include "vec_float.h"
/* Row 4q + i goes to lane group q of v[i], then each lane group is transposed. */
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    __m256 v[4];
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_castps128_ps256(_mm_loadu_ps(row[i] + column));
        v[i] = _mm256_insertf128_ps(v[i], _mm_loadu_ps(row[4 + i] + column), 1);
    }
    __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(v[0], v[1])), b = _mm256_castps_pd(_mm256_unpacklo_ps(v[2], v[3]));
    __m256d c = _mm256_castps_pd(_mm256_unpackhi_ps(v[0], v[1])), d = _mm256_castps_pd(_mm256_unpackhi_ps(v[2], v[3]));
    out[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
    out[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
    out[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
    out[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
}
#else
#include "vec_double.h"
/* Row 2q + i goes to lane group q of v[i], then each lane group is transposed. */
static inline void load_transposed(const real *const row[LANES], ptrdiff_t column, vec out[TRANSPOSED]) {
    __m256d v[2];
    UNROLL(2)
    for (int i = 0; i < 2; i++) {
        v[i] = _mm256_castpd128_pd256(_mm_loadu_pd(row[i] + column));
        v[i] = _mm256_insertf128_pd(v[i], _mm_loadu_pd(row[2 + i] + column), 1);
    }
    out[0] = _mm256_unpacklo_pd(v[0], v[1]);
    out[1] = _mm256_unpackhi_pd(v[0], v[1]);
}
#endif
