/* Has a loop of at most so many rounds, a number known at compile time, unrolled: then its arrays of vectors are registers. */
#ifndef PYGRAD_UNROLL_H
#define PYGRAD_UNROLL_H

#define UNROLL_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLL(most) UNROLL_PRAGMA(clang loop unroll(full))
#else
#define UNROLL(most) UNROLL_PRAGMA(GCC unroll most)
#endif

#endif
