/* For float32 the LANES doubles of the sums are two wides. The squares are exact, with FMA or without. */
#include <string.h>

static inline wide wide_broadcast(double s) { return s - (wide){0}; }
static inline wide wide_load(const double *p) {
    wide v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void wide_store(double *p, wide v) { memcpy(p, &v, sizeof v); }
static inline void sum_double(double *d, const double *before, vec v) {
    wide_store(d, wide_load(before) + widen_low(v));
    wide_store(d + LANES / 2, wide_load(before + LANES / 2) + widen_high(v));
}
static inline void add_squares(double *d, vec v) {
    const wide low = widen_low(v), high = widen_high(v);
    wide_store(d, wide_muladd(low, low, wide_load(d)));
    wide_store(d + LANES / 2, wide_muladd(high, high, wide_load(d + LANES / 2)));
}
static inline vec load_double(const double *d) { return narrow(wide_load(d), wide_load(d + LANES / 2)); }
