/* SPDX-License-Identifier: Apache-2.0 */
/* edgekd_sum_s8 and _s16: SUM for values of ELEMENT, of BITS bits, from LEAST to MOST. */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* Elements that lie side by side. */
static uint32_t sum_of(const ELEMENT *x, int32_t count, uint32_t sum) {
#if EDGEKD_DSP && BITS == 8
    for (; count >= 4; count -= 4, x += 4) {
        const uint32_t word = edgekd_word(x);
        sum = edgekd_dot_halves(edgekd_even_bytes(word), 0x00010001u, sum);
        sum = edgekd_dot_halves(edgekd_odd_bytes(word), 0x00010001u, sum);
    }
#elif EDGEKD_DSP
    for (; count >= 2; count -= 2, x += 2) {
        sum = edgekd_dot_halves(edgekd_word(x), 0x00010001u, sum);
    }
#endif
    for (; count > 0; count--) {
        const int32_t value = *x++;
        sum += (uint32_t)value;
    }
    return sum;
}

static uint32_t total(const edgekd_sum *layer, const ELEMENT *x) {
    uint32_t sum = (uint32_t)layer->offset;
    int32_t i, j;
    for (i = 0; i < layer->summed[0]; i++, x += layer->summed_strides[0]) {
        const ELEMENT *at = x;
        if (layer->summed_strides[1] == 1) {
            sum = sum_of(x, layer->summed[1], sum);
            continue;
        }
        for (j = 0; j < layer->summed[1]; j++, at += layer->summed_strides[1]) {
            const int32_t value = *at;
            sum += (uint32_t)value;
        }
    }
    return sum;
}

void SUM(const edgekd_sum *layer, const ELEMENT *x, ELEMENT *y) {
    int32_t i, j, k;
    for (i = 0; i < layer->kept[0]; i++) {
        for (j = 0; j < layer->kept[1]; j++) {
            const ELEMENT *at = x + i * layer->kept_strides[0] + j * layer->kept_strides[1];
            for (k = 0; k < layer->kept[2]; k++, at += layer->kept_strides[2]) {
                const int32_t sum = (int32_t)total(layer, at);
                const int32_t scaled = edgekd_multiply(sum, layer->multiplier, layer->shift);
                *y++ = (ELEMENT)edgekd_clamp(scaled + layer->output_zero_point, LEAST, MOST);
            }
        }
    }
}
