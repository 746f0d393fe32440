/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_elementwise.h"
#include "edgekd_kernels.h"

#define LSTM edgekd_lstm_s8
#define ELEMENT int8_t
#define SUM uint32_t
#define LEAST (-128)
#define MOST 127

/* sum + four bytes of x, of which `even` and `odd` are bytes 0 and 2, 1 and 3, times four weights. */
EDGEKD_INLINE uint32_t four_inputs(uint32_t weights, uint32_t even, uint32_t odd, uint32_t sum) {
#if EDGEKD_DSP
    sum = edgekd_dot_halves(edgekd_even_bytes(weights), even, sum);
    return edgekd_dot_halves(edgekd_odd_bytes(weights), odd, sum);
#else
    sum += (uint32_t)(edgekd_byte(weights, 0) * edgekd_half(even, 0) + edgekd_byte(weights, 2) * edgekd_half(even, 1));
    return sum + (uint32_t)(edgekd_byte(weights, 1) * edgekd_half(odd, 0) + edgekd_byte(weights, 3) * edgekd_half(odd, 1));
#endif
}

EDGEKD_INLINE uint32_t even_of(uint32_t x) {
#if EDGEKD_DSP
    return edgekd_even_bytes(x);
#else
    return ((uint32_t)edgekd_byte(x, 0) & 0xFFFFu) | (uint32_t)edgekd_byte(x, 2) << 16;
#endif
}

static const uint32_t *four_rows(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t count) {
    uint32_t a = words[0];
    uint32_t b = words[1];
    uint32_t c = words[2];
    uint32_t d = words[3];
    words += 4;
    for (; count > 0u; words += 4) {
        uint32_t word = 0;
        uint32_t even, odd;
        if (count >= 4u) {
            word = edgekd_word(x);
            x += 4;
            count -= 4u;
        } else { /* nothing behind x is read */
            for (x += count; count > 0u; count--) {
                word = word << 8 | ((uint32_t)*--x & 0xFFu);
            }
        }
        even = even_of(word);
        odd = even_of(word >> 8);
        a = four_inputs(words[0], even, odd, a);
        b = four_inputs(words[1], even, odd, b);
        c = four_inputs(words[2], even, odd, c);
        d = four_inputs(words[3], even, odd, d);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    return words;
}

static int32_t scaled(uint32_t sum, int32_t fraction, int32_t shift) {
    return edgekd_requantize((int32_t)sum, fraction, shift, 0);
}

#include "edgekd_lstm_body.h"
