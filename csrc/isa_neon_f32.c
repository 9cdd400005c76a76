#ifdef __aarch64__
#include "real_f32.h"
#include "vec_neon.h"

#include "kernels.inc"
#endif
