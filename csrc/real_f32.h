/* float32: the element type and the constants that depend on it. Included before the vector verbs. */
#define REAL_BITS 32
#define REAL_NAME f32
typedef float real;

/* sigmoid.inc explains these. */
#define SIGMOID_LIMIT 104.0f
#define LOG2_E 0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f /* 16 bits: times an integer of 8 bits it is exact */
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXPONENT_BITS 23
#define ROUNDING (0x1.8p+23f + 127 + 64)
#define EXPM1_TAIL                                                                                                     \
    { 0x1.a0f87p-13f, 0x1.6d110ep-10f, 0x1.1110f6p-7f, 0x1.55551ap-5f, 0x1.555556p-3f, 0x1p-1f } /* 2^-30.4 */
