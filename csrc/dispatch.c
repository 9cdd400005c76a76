#include "dispatch.h"

#include <stdbool.h>
#include <string.h>

#include "pygrad.h"

/* Built best first, each with the test of whether CPU and operating system run it. */
#if defined(__x86_64__)
#define ISA_LIST(X) X(avx512) X(avx2) X(portable)
#elif defined(__aarch64__)
#define ISA_LIST(X) X(neon) X(portable)
#else
#define ISA_LIST(X) X(portable)
#endif

#define DECLARE_TABLES(isa)                                                                                            \
    extern const struct kernels_f32 pg_f32_##isa;                                                                      \
    extern const struct kernels_f64 pg_f64_##isa;
ISA_LIST(DECLARE_TABLES)

const struct kernels_f32 *pg_kernels_f32 = &pg_f32_portable;
const struct kernels_f64 *pg_kernels_f64 = &pg_f64_portable;

static bool runs_portable(void) { return true; }

#if defined(__aarch64__)
static bool runs_neon(void) { return true; }
#endif

#if defined(__x86_64__)
#include <cpuid.h>

/* The registers that the operating system saves (XCR0); 0 where it does not say. */
static unsigned saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a;
}

static bool runs_avx2(void) {
    const unsigned xmm_ymm = 0x6;
    unsigned a, b, c, d;
    if ((saved_registers() & xmm_ymm) != xmm_ymm) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_FMA)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

static bool runs_avx512(void) {
    const unsigned mask_zmm = 0xe0, features = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned a, b, c, d;
    if (!runs_avx2() || (saved_registers() & mask_zmm) != mask_zmm) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & features) == features;
}
#endif

#define ISA_ENTRY(isa) {#isa, &pg_f32_##isa, &pg_f64_##isa, runs_##isa},
static const struct {
    const char *name;
    const struct kernels_f32 *f32;
    const struct kernels_f64 *f64;
    bool (*runs)(void);
} isas[] = {ISA_LIST(ISA_ENTRY)};

enum { ISAS = sizeof isas / sizeof isas[0] };

#define SPACED(name) " " #name

const char *pg_kernel_names(void) { return &(KERNEL_LIST(SPACED))[1]; }
const char *pg_isas_built(void) { return &(ISA_LIST(SPACED))[1]; }
int pg_isa_runs(const char *name) {
    for (int i = 0; i < ISAS; i++)
        if (strcmp(isas[i].name, name) == 0) return isas[i].runs();
    return 0;
}

int pg_use_isa(const char *name) {
    for (int i = 0; i < ISAS; i++)
        if (strcmp(isas[i].name, name) == 0 && isas[i].runs()) {
            pg_kernels_f32 = isas[i].f32;
            pg_kernels_f64 = isas[i].f64;
            return 0;
        }
    return -1;
}

const char *pg_isa(void) {
    int i = 0;
    while (isas[i].f32 != pg_kernels_f32) i++;
    return isas[i].name;
}

const char *pg_compiler(void) {
#if defined(__clang__)
    return "Clang " __clang_version__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#else
    return "unknown";
#endif
}
