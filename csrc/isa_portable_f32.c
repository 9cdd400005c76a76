#include "real_f32.h"
#include "vec_portable.h"

#include "kernels.inc"
