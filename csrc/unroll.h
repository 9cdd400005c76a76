/* UNROLL has a loop of at most so many rounds, a number known at compile time, unrolled: then its arrays of vectors are
 * registers. REPEAT has the body of a loop of any number of rounds repeated so often. */
#ifndef PYGRAD_UNROLL_H
#define PYGRAD_UNROLL_H

#define UNROLL_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLL(most) UNROLL_PRAGMA(clang loop unroll(full))
#define REPEAT(rounds) UNROLL_PRAGMA(clang loop unroll_count(rounds))
#else
#define UNROLL(most) UNROLL_PRAGMA(GCC unroll most)
#define REPEAT(rounds) UNROLL(rounds)
#endif

#endif
