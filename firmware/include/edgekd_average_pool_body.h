/* SPDX-License-Identifier: Apache-2.0 */
/* edgekd_average_pool_s8 and _s16: the pool of one window, for images of ELEMENT, of BITS bits. */
#include "edgekd_pool_body.h"

/* Rounded half away from zero. */
static int32_t mean(int32_t sum, int32_t count) {
    return (sum < 0 ? sum - count / 2 : sum + count / 2) / count; /* C rounds to zero */
}

/* The mean of a channel. */
static int32_t average(const window *part, uint32_t channel) {
    const ELEMENT *line = part->first + channel;
    int32_t sum = 0;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const ELEMENT *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            sum += *at;
        }
    }
    return mean(sum, (int32_t)(part->rows * part->columns));
}

#if EDGEKD_DSP && BITS == 8
#define MOST_PLACES 255u /* whose sum of int8 fits a half */

/* The means of four channels, of which channels 0 and 2 and channels 1 and 3 are summed as halves of a word. */
static void average_of_four(const window *part, uint32_t channel, const edgekd_pool_2d *layer, ELEMENT *y) {
    const ELEMENT *line = part->first + channel;
    const int32_t count = (int32_t)(part->rows * part->columns);
    uint32_t even = 0;
    uint32_t odd = 0;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const ELEMENT *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            const uint32_t word = edgekd_word(at);
            even = edgekd_add_even_bytes(word, even);
            odd = edgekd_add_odd_bytes(word, odd);
        }
    }
    y[0] = (ELEMENT)edgekd_clamp(mean(edgekd_half(even, 0), count), layer->low, layer->high);
    y[1] = (ELEMENT)edgekd_clamp(mean(edgekd_half(odd, 0), count), layer->low, layer->high);
    y[2] = (ELEMENT)edgekd_clamp(mean(edgekd_half(even, 1), count), layer->low, layer->high);
    y[3] = (ELEMENT)edgekd_clamp(mean(edgekd_half(odd, 1), count), layer->low, layer->high);
}
#endif

static void pool(const edgekd_pool_2d *layer, const window *part, ELEMENT *y) {
    uint32_t channel = 0;
#if EDGEKD_DSP && BITS == 8
    for (; part->rows * part->columns <= MOST_PLACES && channel + 4u <= layer->channels; channel += 4u) {
        average_of_four(part, channel, layer, y + channel);
    }
#endif
    for (; channel < layer->channels; channel++) {
        y[channel] = (ELEMENT)edgekd_clamp(average(part, channel), layer->low, layer->high);
    }
}
