/* float64: the element type and the constants that depend on it. Included before the vector verbs. */
#define REAL_BITS 64
#define REAL_NAME f64
typedef double real;

/* sigmoid.inc explains these. */
#define SIGMOID_LIMIT 746.0
#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa38p-1 /* 42 bits: times an integer of 11 bits it is exact */
#define LN2_LOW 0x1.ef35793c7673p-45
#define ROUNDING (0x1.8p+52 + 1023 + 64)
#define EXPM1_TAIL                                                                                                     \
    {0x1.1f66e19b630d7p-29,                                                                                            \
     0x1.af38ad617009fp-26,                                                                                            \
     0x1.27e4e1f3a2503p-22,                                                                                            \
     0x1.71de0dacd6939p-19,                                                                                            \
     0x1.a01a01a47b3fbp-16,                                                                                            \
     0x1.a01a01a7c4839p-13,                                                                                            \
     0x1.6c16c16c167e1p-10,                                                                                            \
     0x1.11111111109b3p-7,                                                                                             \
     0x1.5555555555555p-5,                                                                                             \
     0x1.5555555555556p-3,                                                                                             \
     0x1p-1} /* 2^-59.8 */
