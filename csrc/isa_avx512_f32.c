#ifdef __x86_64__
#include "real_f32.h"
#include "vec_avx512.h"

#include "kernels.inc"
#endif
