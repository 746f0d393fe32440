/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* Four inputs of four rows are four words, one per row. */

#if EDGEKD_DSP

static uint32_t four_inputs(uint32_t weights, uint32_t x_even, uint32_t x_odd, uint32_t sum) {
    sum = edgekd_dot_halves(edgekd_even_bytes(weights), x_even, sum);
    return edgekd_dot_halves(edgekd_odd_bytes(weights), x_odd, sum);
}

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    const int8_t *const end = x + inputs;
    uint32_t a = sums[0];
    uint32_t b = sums[1];
    uint32_t c = sums[2];
    uint32_t d = sums[3];
    for (; x < end; x += 4, words += 4) {
        const uint32_t word = edgekd_word(x);
        const uint32_t even = edgekd_even_bytes(word);
        const uint32_t odd = edgekd_odd_bytes(word);
        a = four_inputs(words[0], even, odd, a);
        b = four_inputs(words[1], even, odd, b);
        c = four_inputs(words[2], even, odd, c);
        d = four_inputs(words[3], even, odd, d);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#else

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    uint32_t i, k;
    for (i = 0; i < inputs; i++) {
        for (k = 0; k < 4u; k++) {
            sums[k] += (uint32_t)(edgekd_byte(words[(i & ~3u) + k], i & 3u) * x[i]);
        }
    }
}

#endif

void edgekd_fully_connected_s8_s32acc(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const uint32_t *words = layer->packed_weights;
    int8_t *out = (int8_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k];
        }
        dot(sums, words + 4, (const int8_t *)x, layer->inputs);
        words += 4u + ((layer->inputs + 3u) & ~3u);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const int32_t shift = edgekd_byte(words[4], k);
            const int32_t scaled = edgekd_requantize((int32_t)sums[k], (int32_t)words[k], shift, layer->output_zero_point);
            out[row + k] = (int8_t)edgekd_clamp(scaled, low, high);
        }
        words += 5;
    }
}
