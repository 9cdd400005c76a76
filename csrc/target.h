/* Opens the region of an ISA file in which the compiler may use the instructions of ISA_TARGET; TARGET_END closes it.
 * Only functions inside the region get them, never the whole extension, so that dispatch runs on any CPU. */
#ifdef __clang__
#define TARGET_PRAGMA(text) _Pragma(#text)
#define TARGET_BEGIN(isa) TARGET_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define TARGET_END _Pragma("clang attribute pop")
#else
#define TARGET_PRAGMA(text) _Pragma(#text)
#define TARGET_BEGIN(isa) _Pragma("GCC push_options") TARGET_PRAGMA(GCC target(isa))
#define TARGET_END _Pragma("GCC pop_options")
#endif

TARGET_BEGIN(ISA_TARGET)
