#ifdef __x86_64__
#include "real_f64.h"
#include "vec_avx512.h"

#include "kernels.inc"
#endif
