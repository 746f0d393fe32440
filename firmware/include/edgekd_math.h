/*
 * The arithmetic all kernels share: TFLite-Micro's fixed point, rounded as it rounds, in a form that is one instruction
 * on a Cortex-M with DSP extension. Both forms give the same integers.
 *
 * A real factor is (1 + fraction / 2^32) / 2^shift with fraction in [-2^31, -1]: TFLite's multiplier in [2^30, 2^31)
 * is (2^32 + fraction) / 2.
 */
#ifndef EDGEKD_MATH_H
#define EDGEKD_MATH_H

#include <stdint.h>

/* Kernels keep their speed where the rest of a program is compiled for size. Holds to the end of the file. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE_SIZE__)
#pragma GCC optimize("O2")
#endif

#if defined(__GNUC__) || defined(__clang__)
#define EDGEKD_INLINE static inline __attribute__((always_inline))
#else
#define EDGEKD_INLINE static inline
#endif

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__thumb2__)
#define EDGEKD_DSP 1
#else
#define EDGEKD_DSP 0
#endif

/* A parameter of a function whose body is assembly, which the compiler does not see. */
#if defined(__GNUC__) || defined(__clang__)
#define EDGEKD_IN_ASSEMBLY __attribute__((unused))
#endif

/* x * (1 + fraction / 2^32), halves rounded up: gemmlowp's SaturatingRoundingDoublingHighMul by a multiplier. */
EDGEKD_INLINE int32_t edgekd_scale(int32_t x, int32_t fraction) {
#if EDGEKD_DSP
    int32_t result;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(result) : "r"(x), "r"(fraction));
    return result;
#else
    return (int32_t)((((int64_t)x << 32) + (int64_t)x * fraction + ((int64_t)1 << 31)) >> 32);
#endif
}

/* offset + x / 2^shift, halves rounded away from zero; 1 <= shift <= 31. gemmlowp's RoundingDivideByPOT. */
EDGEKD_INLINE int32_t edgekd_shift_round(int32_t x, uint32_t shift, int32_t offset) {
#if EDGEKD_DSP
    /* The last bit that is shifted out is the carry. */
    __asm__("add %0, %0, %0, asr #31\n\t"
            "asrs %0, %0, %1\n\t"
            "adc %0, %0, %2"
            : "+r"(x)
            : "rM"(shift), "rIK"(offset)
            : "cc");
    return x;
#else
    const int32_t nudged = x - (x < 0);
    return offset + (nudged >> shift) + ((nudged >> (shift - 1u)) & 1);
#endif
}

EDGEKD_INLINE int32_t edgekd_saturate_s8(int32_t x) {
#if EDGEKD_DSP
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
#else
    return x < -128 ? -128 : x > 127 ? 127 : x;
#endif
}

#endif
