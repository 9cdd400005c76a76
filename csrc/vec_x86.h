/* The vector verbs that AVX2 and AVX-512 name alike: V(op) is the intrinsic for a vec. */

static inline vec load(const real *p) { return V(loadu)(p); }
static inline void store(real *p, vec v) { V(storeu)(p, v); }
static inline void stream(real *p, vec v) { V(stream)(p, v); }
static inline void stream_end(void) { _mm_sfence(); }
static inline vec broadcast(real s) { return V(set1)(s); }
static inline vec add(vec a, vec b) { return V(add)(a, b); }
static inline vec sub(vec a, vec b) { return V(sub)(a, b); }
static inline vec mul(vec a, vec b) { return V(mul)(a, b); }
static inline vec quotient(vec a, vec b) { return V(div)(a, b); }
static inline vec fmadd(vec a, vec b, vec c) { return V(fmadd)(a, b, c); }
static inline vec fnmadd(vec a, vec b, vec c) { return V(fnmadd)(a, b, c); }
static inline vec fmsub(vec a, vec b, vec c) { return V(fmsub)(a, b, c); }
static inline vec muladd(vec a, vec b, vec c) { return V(fmadd)(a, b, c); }
static inline vec max_or_nan(vec a, vec b) { return V(max)(a, b); }
static inline vec min_or_nan(vec a, vec b) { return V(min)(a, b); }
static inline vec minus_abs(vec a) { return V(or)(a, V(set1)((real)-0.0)); }
