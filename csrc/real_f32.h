/* float32: the element type and the constants that depend on it. Included before the vector verbs. */
#define REAL_BITS 32
#define REAL_NAME f32
typedef float real;

/* sigmoid.inc explains these. */
#define SIGMOID_LIMIT 104.0f
#define SIGMOID_LINEAR 0x1p-11f
#define LOG2_E 0x1.71547652b82fep+0
#define ROUNDING (0x1.8p+52 + 1023)
#define EXP2_EVEN {0x1.11014349c23e8p+12, 0x1.d25b0326da125p+7}
#define EXP2_ODD {0x1.7a77174ab6511p+10, 0x1.433a0b6a901b1p+4, 0x1.7a60ed775938cp-6}
