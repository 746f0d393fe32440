/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* Four channels: four biases, a word of four weights per place, four fractions, shifts. */

#if EDGEKD_DSP

/* Of one group of four channels, whose places in x are `channels` apart: the result as four bytes. */
static uint32_t four_channels(const edgekd_fully_connected *layer, const uint32_t *words, const int8_t *x) {
    const uint32_t channels = layer->outputs;
    uint32_t a = words[0];
    uint32_t b = words[1];
    uint32_t c = words[2];
    uint32_t d = words[3];
    uint32_t places = layer->inputs;
    words += 4;
    for (; places > 0u; places--, x += channels) {
        const uint32_t word = edgekd_word(x);
        const uint32_t weights = *words++;
        const uint32_t even = edgekd_even_bytes(word);
        const uint32_t odd = edgekd_odd_bytes(word);
        const uint32_t even_weights = edgekd_even_bytes(weights);
        const uint32_t odd_weights = edgekd_odd_bytes(weights);
        a = edgekd_add_lower(even, even_weights, a);
        b = edgekd_add_lower(odd, odd_weights, b);
        c = edgekd_add_upper(even, even_weights, c);
        d = edgekd_add_upper(odd, odd_weights, d);
    }
    return edgekd_clamp_bytes(edgekd_to_bytes(a, b, c, d, words, layer->output_zero_point), layer->low, layer->high);
}

void edgekd_depthwise_s8(const edgekd_fully_connected *layer, const void *x, void *y) {
    const uint32_t *words = layer->packed_weights;
    const int8_t *at = (const int8_t *)x;
    int8_t *out = (int8_t *)y;
    uint32_t left = layer->outputs;
    for (; left > 0u; words += 9u + layer->inputs, at += 4) {
        uint32_t result = four_channels(layer, words, at);
        if (left >= 4u) {
            memcpy(out, &result, sizeof result);
            out += 4;
            left -= 4u;
            continue;
        }
        for (; left > 0u; left--, result >>= 8) {
            *out++ = (int8_t)edgekd_byte(result, 0);
        }
    }
}

#else

static uint32_t dot(uint32_t sum, const uint32_t *words, const int8_t *x, const edgekd_fully_connected *layer,
                    uint32_t k) {
    uint32_t place;
    for (place = 0; place < layer->inputs; place++, x += layer->outputs) {
        sum += (uint32_t)(edgekd_byte(words[place], k) * *x);
    }
    return sum;
}

void edgekd_depthwise_s8(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const int8_t *at = (const int8_t *)x;
    int8_t *out = (int8_t *)y;
    uint32_t channel;
    for (channel = 0; channel < layer->outputs; channel++) {
        const uint32_t k = channel & 3u;
        const uint32_t *const words = layer->packed_weights + (channel >> 2) * (9u + layer->inputs);
        const uint32_t *const scales = words + 4u + layer->inputs;
        const uint32_t sum = dot(words[k], words + 4, at + channel, layer, k);
        const int32_t scaled = edgekd_scale((int32_t)sum, (int32_t)scales[k]);
        const uint32_t shift = (scales[4] >> (8u * k)) & 0xFFu;
        out[channel] = (int8_t)edgekd_clamp(edgekd_shift_round(scaled, shift, layer->output_zero_point), low, high);
    }
}

#endif
