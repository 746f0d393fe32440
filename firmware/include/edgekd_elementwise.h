/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise operators of TFLite, one element at a time: what the loops of generated code are made of. Each is equal
 * to TFLite-Micro's kernel to the last bit. Scales and shifts are constants of the caller: of every branch on them
 * nothing is left in the machine code.
 */
#ifndef EDGEKD_ELEMENTWISE_H
#define EDGEKD_ELEMENTWISE_H

#include "edgekd_math.h"

/* A loop stays a function of its own, so that a profile can name it. */
#if defined(__GNUC__) || defined(__clang__)
#define EDGEKD_LOOP static __attribute__((noinline))
#else
#define EDGEKD_LOOP static
#endif

EDGEKD_INLINE int32_t edgekd_square(int32_t x) { return x * x; }

EDGEKD_INLINE int32_t edgekd_maximum(int32_t a, int32_t b) { return a > b ? a : b; }

EDGEKD_INLINE int32_t edgekd_minimum(int32_t a, int32_t b) { return a < b ? a : b; }

/* Fractions and shifts as edgekd_requantize takes them; zero points of int16 are 0. */
EDGEKD_INLINE int32_t edgekd_abs_s16(int32_t x, int32_t fraction, int32_t shift) {
    return edgekd_saturate_s16(edgekd_requantize(x < 0 ? -x : x, fraction, shift, 0));
}

EDGEKD_INLINE int32_t edgekd_leaky_relu_s16(int32_t x, int32_t fraction, int32_t shift, int32_t fraction_below,
                                            int32_t shift_below) {
    return edgekd_saturate_s16(x < 0 ? edgekd_requantize(x, fraction_below, shift_below, 0)
                                     : edgekd_requantize(x, fraction, shift, 0));
}

/* slope: less its zero point. */
EDGEKD_INLINE int32_t edgekd_prelu_s8(int32_t raw, int32_t slope, int32_t x_zero, int32_t fraction, int32_t shift,
                                      int32_t fraction_below, int32_t shift_below, int32_t zero) {
    const int32_t x = raw - x_zero;
    return edgekd_saturate_s8(x < 0 ? edgekd_requantize(x * slope, fraction_below, shift_below, zero)
                                    : edgekd_requantize(x, fraction, shift, zero));
}

/* 2^20 / sqrt(x) for 1 <= x < 2^29, as TFLite computes it. In kernels/edgekd_inverse_sqrt.c. */
int32_t edgekd_inverse_sqrt(int32_t x);

/* sigmoid(i / 24) * 2^16; TFLite's table for 16-bit LOGISTIC and TANH. In kernels/edgekd_sigmoid_table.c. */
extern const uint16_t edgekd_sigmoid_table[256];

/* int16 to units of 1 / (3 * 4096): x * multiplier / 2^shift, halves rounded up. */
EDGEKD_INLINE int32_t edgekd_sigmoid_input(int32_t x, int32_t multiplier, uint32_t shift) {
    return (x * multiplier + (int32_t)((1u << shift) >> 1)) >> shift;
}

/* Logistic in 1 / 32768, interpolated between entries of the table. multiplier and shift as above. */
EDGEKD_INLINE int32_t edgekd_logistic_s16(int32_t raw, int32_t multiplier, uint32_t shift) {
    const int32_t x = edgekd_sigmoid_input(raw, multiplier, shift);
    const uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const uint32_t at = size >> 9;
    int32_t value = 0x7FFF << 10;
    if (at < 255u) {
        const int32_t left = edgekd_sigmoid_table[at];
        value = (left << 9) + (int32_t)(size & 0x1FFu) * (edgekd_sigmoid_table[at + 1u] - left);
    }
    return (x < 0 ? (1 << 25) - 1 + (1 << 9) - value : value + (1 << 9)) >> 10;
}

/* Hyperbolic tangent in 1 / 32768: 2 * logistic(2 * x) - 1 from the same table. */
EDGEKD_INLINE int32_t edgekd_tanh_s16(int32_t raw, int32_t multiplier, uint32_t shift) {
    const int32_t x = edgekd_sigmoid_input(raw, multiplier, shift);
    const uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const uint32_t at = size >> 8;
    int32_t value = 0xFFFF << 8;
    if (at < 255u) {
        const int32_t left = edgekd_sigmoid_table[at];
        value = (left << 8) + (int32_t)(size & 0xFFu) * (edgekd_sigmoid_table[at + 1u] - left);
    }
    return (x < 0 ? (1 << 23) + (1 << 7) - 1 - value : value - (1 << 23) + (1 << 7)) >> 8;
}

#endif
