/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Biases of 64 bits, the lower word first; weights as in edgekd_fully_connected_s16; multipliers of 15 bits; shifts in
 * [8, 46]. Products and sums wrap as TFLite's int64 does.
 */

static uint64_t long_word(const uint32_t *words) { return words[0] | (uint64_t)words[1] << 32; }

/* Row k of four, after its bias. */
static uint64_t dot(uint64_t sum, const uint32_t *words, const int16_t *x, uint32_t inputs, uint32_t k) {
    uint32_t i;
    for (i = 0; i < inputs; i++) {
        const uint32_t byte = ((i & 1u) << 1) + ((i & 2u) >> 1);
        sum += (uint64_t)(int64_t)(edgekd_byte(words[(i & ~3u) + k], byte) * x[i]);
    }
    return sum;
}

void edgekd_fully_connected_s16_s64acc(const edgekd_fully_connected *layer, const void *x, void *y) {
    const uint32_t *words = layer->packed_weights;
    int16_t *out = (int16_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        const uint32_t *const scales = words + 8u + ((layer->inputs + 3u) & ~3u);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const uint64_t sum = dot(long_word(words + 2u * k), words + 8, (const int16_t *)x, layer->inputs, k);
            const uint32_t shift = (scales[4] >> (8u * k)) & 0xFFu;
            const int64_t scaled = (int64_t)(sum * scales[k] + ((uint64_t)1 << (shift - 1u))) >> shift;
            const int32_t result = (int32_t)((uint32_t)(int32_t)scaled + (uint32_t)layer->output_zero_point);
            out[row + k] = (int16_t)edgekd_clamp(result, edgekd_half(layer->low, 0), edgekd_half(layer->high, 0));
        }
        words = scales + 5;
    }
}
