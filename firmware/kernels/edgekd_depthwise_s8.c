#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* Four channels: four biases, a word of four weights per place, four scales, shifts. */

#if EDGEKD_DSP

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t places, uint32_t channels,
                uint32_t left) {
    uint32_t a = sums[0];
    uint32_t b = sums[1];
    uint32_t c = sums[2];
    uint32_t d = sums[3];
    (void)left;
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
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#else

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t places, uint32_t channels,
                uint32_t left) {
    uint32_t k;
    for (; places > 0u; places--, x += channels, words++) {
        for (k = 0; k < 4u && k < left; k++) {
            sums[k] += (uint32_t)(edgekd_byte(*words, k) * x[k]);
        }
    }
}

#endif

void edgekd_depthwise_s8(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const uint32_t *words = layer->words;
    int8_t *out = (int8_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k];
        }
        dot(sums, words + 4, (const int8_t *)x + row, layer->inputs, layer->outputs, layer->outputs - row);
        words += 4u + layer->inputs;
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const int32_t shift = edgekd_byte(words[4], k);
            const int32_t scaled = edgekd_requantize((int32_t)sums[k], (int32_t)words[k], shift, layer->y_zero);
            out[row + k] = (int8_t)edgekd_clamp(scaled, low, high);
        }
        words += 5;
    }
}
