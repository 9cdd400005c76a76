/* For float64 the LANES doubles of the sums are a vec themselves. */
typedef vec wide;
static inline void sum_double(double *d, const double *before, vec v) { store(d, add(load(before), v)); }
static inline void add_squares(double *d, vec v) { store(d, muladd(v, v, load(d))); }
static inline vec load_double(const double *d) { return load(d); }
