#ifdef __aarch64__
#include "real_f64.h"
#include "vec_neon.h"

#include "kernels.inc"
#endif
