#ifdef __x86_64__
#include "real_f32.h"
#include "vec_avx2.h"

#include "kernels.inc"
#endif
