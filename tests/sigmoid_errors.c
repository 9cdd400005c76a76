/* The errors of the sigmoid and of its slope (sigmoid_backward of dz = 1) on every instruction set that this machine
 * runs. It needs no Python. Compile it with the .c files of csrc, these without an option that allows FMA in portable
 * code.
 *
 *     sigmoid_errors float32 PART PARTS STEP
 *
 * compares them for every STEP-th float32 of the PART-th of PARTS equal ranges, both signs, with the exact values, and
 * prints
 *
 *     tie FUNCTION Y Z                       Y's exact value lies within 2**-44 of its size from a tie; rounded it is Z
 *     ISA FUNCTION COUNT MISROUNDED MAX_ULP  over all arguments
 *
 * where the FUNCTION "layer" is the gradient by x of a layer with x = Y, w = 1 and b = 0, which computes both at once: it is
 * to be what their exact values, rounded, give (an error of 1 ULP otherwise; the rounding of their product may hide one).
 *
 *     sigmoid_errors float64
 *
 * does the same, without the ties, for POINTS random arguments spread evenly over the doubles, and for the neighbours of
 * those with the largest errors.
 *
 * The reference is evaluated in double-double numbers (hi + lo, |lo| <= ulp(hi)/2), from e = exp(-|y|):
 *     s(-|y|) = e / (1 + e)    s(|y|) = 1 / (1 + e)    s'(y) = e / (1 + e)**2
 *     -|y| = r - n ln 2, |r| < 0.35; ln 2 in three parts, the products of n < 2**11 with the first two exact, and r off by
 *         at most 2**-105
 *     exp(r): Taylor series to r**24, whose remainder is below 2**-120; terms from r**12 on, together below 2**-46, in
 *         double with errors below 2**-50 of them: 2**-96; the others in double-double
 * A double-double sum is off by at most 2**-104 of its size, a product or quotient by 2**-100 (Joldes, Muller and Popescu,
 * 2017). The Horner steps add less than 2**-98 of exp(r), which is at least 0.7; so, with the quotients, each result is
 * within 2**-94 of its size. ERROR leaves room: a value as near as that to a tie stops the program. No float32 argument
 * comes near: the closest is y = -2**-24, where y**3/48 decides, 2**-76.6 of the value. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "pygrad.h"

#define ERROR 0x1p-90
#define NEAR 0x1p-44

struct dd {
    double hi, lo;
};

static inline struct dd fast_two_sum(double a, double b) { /* |a| >= |b| */
    const double s = a + b;
    return (struct dd){s, b - (s - a)};
}
static inline struct dd two_sum(double a, double b) {
    const double s = a + b, t = s - a;
    return (struct dd){s, (a - (s - t)) + (b - t)};
}
static inline struct dd dd_add(struct dd a, struct dd b) {
    struct dd s = two_sum(a.hi, b.hi);
    const struct dd t = two_sum(a.lo, b.lo);
    s = fast_two_sum(s.hi, s.lo + t.hi);
    return fast_two_sum(s.hi, s.lo + t.lo);
}
static inline struct dd dd_mul(struct dd a, struct dd b) {
    const double p = a.hi * b.hi, error = fma(a.hi, b.hi, -p);
    return fast_two_sum(p, error + (fma(a.hi, b.lo, a.lo * b.hi) + a.lo * b.lo));
}
static inline struct dd dd_div(struct dd a, struct dd b) {
    const double q = a.hi / b.hi;
    const struct dd p = dd_mul((struct dd){q, 0}, b), rest = dd_add(a, (struct dd){-p.hi, -p.lo});
    return fast_two_sum(q, rest.hi / b.hi);
}
static inline struct dd dd_scaled(struct dd a, double power) { return (struct dd){a.hi * power, a.lo * power}; }

enum { TERMS = 25, IN_DOUBLE = 12 };
static struct dd factor[TERMS]; /* 1 / k! */

/* exp(-t) 2**exponent for 0 <= t <= 750 */
static struct dd exp_minus(double t, int exponent) {
    const double n = rint(t * 0x1.71547652b82fep+0);
    const double first = n * 0x1.62e42fefa4p-1 - t; /* the product is exact, and so is the difference of neighbours */
    const struct dd sum = two_sum(first, n * -0x1.8432a1b0e2p-43);
    const struct dd r = fast_two_sum(sum.hi, sum.lo + n * -0x1.8cff81a12a17ep-85);
    double tail = factor[TERMS - 1].hi;
    for (int k = TERMS - 2; k >= IN_DOUBLE; k--) tail = tail * r.hi + factor[k].hi;
    struct dd e = {tail, 0};
    for (int k = IN_DOUBLE - 1; k >= 0; k--) e = dd_add(dd_mul(e, r), factor[k]);
    return dd_scaled(e, ldexp(1, exponent - (int)n));
}

enum { SIGMOID, SLOPE, FUNCTIONS, LAYER = FUNCTIONS, CHECKS };
static const char *const function_names[] = {"sigmoid", "slope", "layer"};

/* Of t >= 0, all times 2**exponent: s(t), s(-t), s'(t) */
static void exact_values(double t, int exponent, struct dd *large, struct dd *small, struct dd *slope) {
    const struct dd one = {1, 0}, e = exp_minus(t, exponent), d = dd_add(one, dd_scaled(e, ldexp(1, -exponent)));
    *large = dd_scaled(dd_div(one, d), ldexp(1, exponent));
    *small = dd_div(e, d);
    *slope = dd_div(e, dd_mul(d, d));
}

enum { MAX_ISAS = 8 };
static char *isa[MAX_ISAS];
static int isa_count;
static struct result {
    uint64_t count, misrounded;
    double worst; /* ULP */
} results[MAX_ISAS][CHECKS];

static void count_result(struct result *r, int misrounded, double error) {
    r->count++;
    r->misrounded += misrounded != 0;
    if (!(error <= r->worst)) r->worst = error; /* a NaN, too */
}

struct exact {
    struct dd value;
    float rounded; /* to nearest, to even */
    double ulp;    /* of float32 there */
};

static struct exact rounded_to_float(struct dd value, int function, float y) {
    struct exact x = {value, (float)value.hi, 0};
    const double rest = (value.hi - (double)x.rounded) + value.lo;
    const float other = nextafterf(x.rounded, rest < 0 ? -1.0f : 2.0f);
    const double tie = ((double)x.rounded + (double)other) / 2, beyond = (value.hi - tie) + value.lo;
    x.ulp = fabs((double)other - (double)x.rounded);
    if (fabs(beyond) < ERROR * value.hi) {
        fprintf(stderr, "undecided: %s of %a\n", function_names[function], (double)y);
        exit(1);
    }
    if (rest < 0 ? beyond < 0 : beyond > 0) x.rounded = other; /* value.hi itself was rounded to the tie */
    if (fabs(beyond) < NEAR * value.hi)
        printf("tie %s %a %a\n", function_names[function], (double)y, (double)x.rounded);
    return x;
}

enum { CHUNK = 8192 };

static void float32(uint64_t part, uint64_t parts, uint64_t step) {
    static float y[CHUNK], ones[CHUNK], z[CHUNK];
    static struct exact exact[FUNCTIONS][CHUNK];
    for (int i = 0; i < CHUNK; i++) ones[i] = 1;
    const uint64_t all = UINT64_C(1) << 31, end = all * (part + 1) / parts;
    for (uint64_t bits = all * part / parts; bits < end;) {
        int n = 0, numbers = 0; /* NaN come last */
        for (double before = -1; n < CHUNK && bits < end; n += 2, bits += step) {
            const uint32_t pattern = (uint32_t)bits;
            memcpy(&y[n], &pattern, sizeof(float));
            y[n + 1] = -y[n];
            if (isnan(y[n])) continue;
            numbers = n + 2;
            /* Outside of these limits all are rounded to 0, 1/4, 1/2 or 1, and by less than 0.001 ULP but for 0 */
            const double t = fmin(fmax((double)y[n], 0x1p-40), 105);
            if (t == before) {
                for (int f = 0; f < FUNCTIONS; f++) memcpy(&exact[f][n], &exact[f][n - 2], 2 * sizeof(struct exact));
                continue;
            }
            struct dd large, small, slope;
            exact_values(t, 0, &large, &small, &slope);
            exact[SIGMOID][n] = rounded_to_float(large, SIGMOID, y[n]);
            exact[SIGMOID][n + 1] = rounded_to_float(small, SIGMOID, y[n + 1]);
            exact[SLOPE][n] = exact[SLOPE][n + 1] = rounded_to_float(slope, SLOPE, y[n]);
            before = t;
        }
        const source_f32 from = {y, n, 1, false}, weights = {ones, n, 1, false};
        const target_f32 to = {z, n, 1, false};
        for (int k = 0; k < isa_count; k++) {
            pg_use_isa(isa[k]);
            for (int f = 0; f < FUNCTIONS; f++) {
                if (f == SIGMOID)
                    pg_kernels_f32->sigmoid(1, n, from, to);
                else
                    pg_kernels_f32->sigmoid_backward(1, n, weights, from, to);
                for (int i = 0; i < numbers; i++) {
                    const struct exact *const x = &exact[f][i];
                    const double error = fabs(((double)z[i] - x->value.hi) - x->value.lo) / x->ulp;
                    count_result(&results[k][f], z[i] != x->rounded, error);
                }
                for (int i = numbers; i < n; i++) count_result(&results[k][f], isnan(z[i]) == 0, 0);
            }
            float zero = 0, dw, db;
            double loss;
            pg_kernels_f32->dense_sigmoid_value_and_grad(
                n, 1, 1, (source_f32){y, 1, 1, false}, (source_f32){ones, 1, 1, false},
                (source_f32){&zero, 0, 1, false}, (target_f32){z, 1, 1, false}, (target_f32){&dw, 1, 1, false},
                (target_f32){&db, 1, 1, false}, &loss);
            const float scale = (float)(2.0 / n);
            for (int i = 0; i < n; i++) {
                const float dz = exact[SIGMOID][i].rounded * scale, dy = dz * exact[SLOPE][i].rounded;
                const int wrong = i < numbers ? z[i] != dy : isnan(z[i]) == 0;
                count_result(&results[k][LAYER], wrong, wrong);
            }
        }
    }
}

enum { POINTS = 1 << 23, WORST = 256, NEIGHBOURS = 8192 };

/* The arguments are checked at once, on all instruction sets; returns the largest error of the sigmoid. Results down to
 * subnormal numbers are compared as multiples of 2**-SCALE. */
static void float64_chunk(int n, const double *y, double *errors) {
    enum { SCALE = 200 };
    static double ones[CHUNK], z[FUNCTIONS][CHUNK];
    for (int i = 0; i < n; i++) {
        ones[i] = 1;
        errors[i] = 0;
    }
    const source_f64 from = {y, n, 1, false}, weights = {ones, n, 1, false};
    static struct dd exact[FUNCTIONS][CHUNK];
    for (int i = 0; i < n; i++) {
        struct dd large, small;
        exact_values(fmin(fabs(y[i]), 750), SCALE, &large, &small, &exact[SLOPE][i]);
        exact[SIGMOID][i] = y[i] < 0 ? small : large;
    }
    for (int k = 0; k < isa_count; k++) {
        pg_use_isa(isa[k]);
        pg_kernels_f64->sigmoid(1, n, from, (target_f64){z[SIGMOID], n, 1, false});
        pg_kernels_f64->sigmoid_backward(1, n, weights, from, (target_f64){z[SLOPE], n, 1, false});
        for (int f = 0; f < FUNCTIONS; f++)
            for (int i = 0; i < n; i++) {
                int exponent;
                const struct dd x = exact[f][i];
                frexp(x.hi, &exponent);
                const double ulp = ldexp(1, exponent - SCALE < -1021 ? SCALE - 1074 : exponent - 53);
                const double error = fabs((ldexp(z[f][i], SCALE) - x.hi) - x.lo) / ulp;
                count_result(&results[k][f], error > 0.5, error);
                if (f == SIGMOID) errors[i] = fmax(errors[i], error);
            }
    }
}

static uint64_t state = 1;

static uint64_t next_bits(void) { /* a linear congruential generator (Knuth's MMIX); its low bits are not used */
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 11;
}

static double from_bits(uint64_t bits) {
    double y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

static uint64_t to_bits(double y) {
    uint64_t bits;
    memcpy(&bits, &y, sizeof bits);
    return bits;
}

static void float64(void) {
    static double y[CHUNK], errors[CHUNK], worst[WORST], worst_error[WORST];
    /* a point in each of equal cells: half of them cells of bit patterns from 2**-60 to 750, half of numbers to +-750 */
    const uint64_t from = to_bits(0x1p-60), cell = (to_bits(750) - from) / (POINTS / 4);
    for (int64_t start = 0; start < POINTS; start += CHUNK) {
        for (int64_t i = 0; i < CHUNK; i++) {
            const int64_t point = start + i, place = point / 4;
            const double part = (double)next_bits() * 0x1p-53;
            if (point % 2 == 0)
                y[i] = from_bits(from + (uint64_t)place * cell + (uint64_t)(part * (double)cell));
            else
                y[i] = ((double)place + part) * (750.0 / (POINTS / 4));
            if (point % 4 >= 2) y[i] = -y[i];
        }
        float64_chunk(CHUNK, y, errors);
        const int64_t w = start / CHUNK % WORST;
        for (int i = 0; i < CHUNK; i++)
            if (errors[i] > worst_error[w]) {
                worst_error[w] = errors[i];
                worst[w] = y[i];
            }
    }
    for (int w = 0; w < WORST; w++) {
        for (int i = 0; i < NEIGHBOURS; i++) y[i] = from_bits(to_bits(worst[w]) + (uint64_t)(i - NEIGHBOURS / 2));
        float64_chunk(NEIGHBOURS, y, errors);
    }
}

int main(int count, char **argument) {
    char isas[256];
    strncpy(isas, pg_isas_built(), sizeof isas - 1);
    for (char *name = strtok(isas, " "); name && isa_count < MAX_ISAS; name = strtok(NULL, " "))
        if (pg_use_isa(name) == 0) isa[isa_count++] = name;
    factor[0] = (struct dd){1, 0};
    for (int k = 1; k < TERMS; k++) factor[k] = dd_div(factor[k - 1], (struct dd){k, 0});
    if (count == 5 && strcmp(argument[1], "float32") == 0)
        float32(strtoull(argument[2], NULL, 10), strtoull(argument[3], NULL, 10), strtoull(argument[4], NULL, 10));
    else if (count == 2 && strcmp(argument[1], "float64") == 0)
        float64();
    else
        return 2;
    for (int k = 0; k < isa_count; k++)
        for (int f = 0; f < CHECKS; f++) {
            const struct result r = results[k][f];
            if (r.count == 0) continue;
            printf("%s %s %" PRIu64 " %" PRIu64 " %.6f\n", isa[k], function_names[f], r.count, r.misrounded, r.worst);
        }
    return 0;
}
