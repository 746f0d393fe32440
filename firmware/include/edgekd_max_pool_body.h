/* SPDX-License-Identifier: Apache-2.0 */
/* edgekd_max_pool_s8 and _s16: the pool of one window, for images of ELEMENT, of BITS bits, the least of them LEAST. */
#include "edgekd_pool_body.h"

/* The largest of a channel. */
static int32_t largest(const window *part, uint32_t channel) {
    const ELEMENT *line = part->first + channel;
    int32_t most = LEAST;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const ELEMENT *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            most = *at > most ? *at : most;
        }
    }
    return most;
}

#if EDGEKD_DSP && BITS == 8
/* The largest of each of four channels, as bytes. */
static uint32_t largest_of_four(const window *part, uint32_t channel) {
    const ELEMENT *line = part->first + channel;
    uint32_t most = 0x80808080u;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const ELEMENT *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            most = edgekd_max_bytes(most, edgekd_word(at));
        }
    }
    return most;
}
#endif

static void pool(const edgekd_pool_2d *layer, const window *part, ELEMENT *y) {
    uint32_t channel = 0;
#if EDGEKD_DSP && BITS == 8
    const uint32_t low = (uint32_t)(layer->low & 0xFF) * 0x01010101u;
    const uint32_t high = (uint32_t)(layer->high & 0xFF) * 0x01010101u;
    for (; channel + 4u <= layer->channels; channel += 4u) {
        const uint32_t most = edgekd_clamp_bytes(largest_of_four(part, channel), low, high);
        memcpy(y + channel, &most, sizeof most);
    }
#endif
    for (; channel < layer->channels; channel++) {
        y[channel] = (ELEMENT)edgekd_clamp(largest(part, channel), layer->low, layer->high);
    }
}
