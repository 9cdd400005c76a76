#include "real_f64.h"
#include "vec_portable.h"

#include "kernels.inc"
