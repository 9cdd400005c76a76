/* Which ISAs were built, which of them this machine runs, and the tables of the one in use. */
#ifndef PYGRAD_DISPATCH_H
#define PYGRAD_DISPATCH_H
#include "kernels.h"

/* The tables of the ISA in use. */
extern const struct kernels_f32 *pg_kernels_f32;
extern const struct kernels_f64 *pg_kernels_f64;

#endif
