/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic all kernels share: TFLite-Micro's fixed point, rounded as it rounds, in a form that is one instruction
 * on a Cortex-M with DSP extension. Both forms give the same integers.
 *
 * A real factor is (1 + fraction / 2^32) / 2^shift with fraction in [-2^31, -1]: TFLite's multiplier in [2^30, 2^31)
 * is (2^32 + fraction) / 2.
 */
#ifndef EDGEKD_MATH_H
#define EDGEKD_MATH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What assembly takes for granted, checked by the compiler: an array of negative size is an error in C99 and C++. */
#define EDGEKD_ASSERT(condition, name) typedef char edgekd_assert_##name[(condition) ? 1 : -1]

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
    return (int32_t)(((int64_t)x * (((int64_t)1 << 32) + fraction) + ((int64_t)1 << 31)) >> 32);
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

/*
 * offset + x * (1 + fraction / 2^32) * 2^shift, rounded as TFLite does: to the nearest after the multiplication, then,
 * halves away from zero, after the shift. -31 <= shift <= 30; x << shift must fit where shift is above 0.
 */
EDGEKD_INLINE int32_t edgekd_requantize(int32_t x, int32_t fraction, int32_t shift, int32_t offset) {
    if (shift < 0) {
        return edgekd_shift_round(edgekd_scale(x, fraction), (uint32_t)-shift, offset);
    }
    return edgekd_scale((int32_t)((uint32_t)x << (uint32_t)shift), fraction) + offset;
}

/* x * multiplier / 2^31 * 2^shift, rounded in the same way, for any multiplier >= 0. */
EDGEKD_INLINE int32_t edgekd_multiply(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t shifted = shift > 0 ? (int32_t)((uint32_t)x << (uint32_t)shift) : x;
    const int32_t scaled = (int32_t)(((int64_t)shifted * multiplier + ((int64_t)1 << 30)) >> 31);
    return shift < 0 ? edgekd_shift_round(scaled, (uint32_t)-shift, 0) : scaled;
}

EDGEKD_INLINE int32_t edgekd_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

EDGEKD_INLINE int32_t edgekd_saturate_s16(int32_t x) {
#if EDGEKD_DSP
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(x));
    return result;
#else
    return edgekd_clamp(x, -32768, 32767);
#endif
}

/* The word at any address, the first byte lowest: one load where the core has unaligned ones. */
EDGEKD_INLINE uint32_t edgekd_word(const void *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Copy bytes to and from any address, a word at a time. Returns where the copy ends. */
static inline uint8_t *edgekd_copy_bytes(const uint8_t *from, uint8_t *to, uint32_t bytes) {
    for (; bytes >= 4u; bytes -= 4u, from += 4, to += 4) {
        const uint32_t word = edgekd_word(from);
        memcpy(to, &word, sizeof word);
    }
    for (; bytes > 0u; bytes--) {
        *to++ = *from++;
    }
    return to;
}

#if EDGEKD_DSP

/* For assembly: the total in ROW, scaled by FRACTION, shifted by the lowest byte of r12, r1 added, to eight bits. */
#define EDGEKD_FINISH_BYTE(ROW, FRACTION) \
    "smmlar " ROW ", " ROW ", " FRACTION ", " ROW "\n\t" \
    "add " ROW ", " ROW ", " ROW ", asr #31\n\t" \
    "asrs " ROW ", " ROW ", r12\n\t" \
    "adc " ROW ", " ROW ", r1\n\t" \
    "ssat " ROW ", #8, " ROW "\n\t"

/* Bytes 0 and 2 of a word, or 1 and 3, as two signed halves. */
EDGEKD_INLINE uint32_t edgekd_even_bytes(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}

EDGEKD_INLINE uint32_t edgekd_odd_bytes(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}

/* The same added to the halves of `sum`. */
EDGEKD_INLINE uint32_t edgekd_add_even_bytes(uint32_t word, uint32_t sum) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(sum), "r"(word));
    return result;
}

EDGEKD_INLINE uint32_t edgekd_add_odd_bytes(uint32_t word, uint32_t sum) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(sum), "r"(word));
    return result;
}

/* sum + the products of both pairs of halves, of the lower, and of the upper. */
EDGEKD_INLINE uint32_t edgekd_dot_halves(uint32_t a, uint32_t b, uint32_t sum) {
    uint32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

EDGEKD_INLINE uint32_t edgekd_add_lower(uint32_t a, uint32_t b, uint32_t sum) {
    uint32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

EDGEKD_INLINE uint32_t edgekd_add_upper(uint32_t a, uint32_t b, uint32_t sum) {
    uint32_t result;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* A sum scaled and rounded as edgekd_requantize does, 1 <= shift <= 31, to eight bits. */
EDGEKD_INLINE uint32_t edgekd_to_byte(uint32_t sum, uint32_t fraction, uint32_t shift, int32_t zero) {
    const int32_t scaled = edgekd_scale((int32_t)sum, (int32_t)fraction);
    return (uint32_t)edgekd_saturate_s8(edgekd_shift_round(scaled, shift, zero));
}

/* The same for the sums of four rows, whose fractions and shifts are scales[0 .. 3] and the bytes of scales[4]. */
EDGEKD_INLINE uint32_t edgekd_to_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d, const uint32_t *scales,
                                       int32_t zero) {
    const uint32_t shifts = scales[4];
    a = edgekd_to_byte(a, scales[0], shifts & 0xFFu, zero);
    b = edgekd_to_byte(b, scales[1], (shifts >> 8) & 0xFFu, zero);
    c = edgekd_to_byte(c, scales[2], (shifts >> 16) & 0xFFu, zero);
    d = edgekd_to_byte(d, scales[3], shifts >> 24, zero);
    return (a & 0xFFu) | (b & 0xFFu) << 8 | (c & 0xFFu) << 16 | d << 24;
}

/* The larger of each pair of signed bytes. */
EDGEKD_INLINE uint32_t edgekd_max_bytes(uint32_t a, uint32_t b) {
    uint32_t unused;
    __asm__("ssub8 %1, %0, %2\n\t"
            "sel %0, %0, %2"
            : "+r"(a), "=&r"(unused)
            : "r"(b));
    return a;
}

/* Each of four signed bytes, no less than those of `low` and no more than those of `high`. */
EDGEKD_INLINE uint32_t edgekd_clamp_bytes(uint32_t x, uint32_t low, uint32_t high) {
    uint32_t unused;
    x = edgekd_max_bytes(x, low);
    __asm__("ssub8 %1, %2, %0\n\t"
            "sel %0, %0, %2"
            : "+r"(x), "=&r"(unused)
            : "r"(high));
    return x;
}

#endif

/* Byte i of a word, and half i, signed. */
EDGEKD_INLINE int32_t edgekd_byte(uint32_t word, uint32_t i) { return (int8_t)((word >> (8u * i)) & 0xFFu); }
EDGEKD_INLINE int32_t edgekd_half(uint32_t word, uint32_t i) { return (int16_t)((word >> (16u * i)) & 0xFFFFu); }

#endif
