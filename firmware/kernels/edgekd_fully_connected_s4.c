#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Eight inputs of four rows are four words, one per row, of eight weights plus 8, in [0, 15]: nibbles 0 to 3 belong to
 * inputs 0, 1, 4, 5 and nibbles 4 to 7 to inputs 2, 3, 6, 7. So a mask leaves two weights as halves, and
 *     sum x * w = sum x * (w + 8) - 8 * sum x.
 */

#if EDGEKD_DSP

#define PAIR 0x000F000Fu

static uint32_t eight_inputs(uint32_t weights, const uint32_t x[4], uint32_t sum) {
    sum = edgekd_dot_halves(weights & PAIR, x[0], sum);
    sum = edgekd_dot_halves((weights >> 4) & PAIR, x[1], sum);
    sum = edgekd_dot_halves((weights >> 8) & PAIR, x[2], sum);
    return edgekd_dot_halves((weights >> 12) & PAIR, x[3], sum);
}

static uint32_t sum_of(const int8_t *x, uint32_t inputs) {
    uint32_t i, sum = 0;
    for (i = 0; i < inputs; i += 4u) {
        const uint32_t word = edgekd_word(x + i);
        sum = edgekd_dot_halves(edgekd_even_bytes(word), 0x00010001u, sum);
        sum = edgekd_dot_halves(edgekd_odd_bytes(word), 0x00010001u, sum);
    }
    return sum;
}

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    uint32_t i;
    uint32_t a = sums[0];
    uint32_t b = sums[1];
    uint32_t c = sums[2];
    uint32_t d = sums[3];
    for (i = 0; i < inputs; i += 8u, words += 4) {
        const uint32_t first = edgekd_word(x + i);
        const uint32_t second = i + 4u < inputs ? edgekd_word(x + i + 4u) : 0u;
        uint32_t pairs[4];
        pairs[0] = edgekd_even_bytes(first);
        pairs[1] = edgekd_odd_bytes(first);
        pairs[2] = edgekd_even_bytes(second);
        pairs[3] = edgekd_odd_bytes(second);
        a = eight_inputs(words[0], pairs, a);
        b = eight_inputs(words[1], pairs, b);
        c = eight_inputs(words[2], pairs, c);
        d = eight_inputs(words[3], pairs, d);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#else

static uint32_t sum_of(const int8_t *x, uint32_t inputs) {
    uint32_t i;
    int32_t sum = 0;
    for (i = 0; i < inputs; i++) {
        sum += x[i];
    }
    return (uint32_t)sum;
}

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    uint32_t i, k;
    for (i = 0; i < inputs; i++) {
        const uint32_t nibble = (i & 1u) + ((i & 4u) >> 1) + ((i & 2u) << 1);
        for (k = 0; k < 4u; k++) {
            const int32_t weight = (int32_t)((words[((i >> 3) << 2) + k] >> (4u * nibble)) & 15u);
            sums[k] += (uint32_t)(weight * x[i]);
        }
    }
}

#endif

void edgekd_fully_connected_s4(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const uint32_t eight = 8u * sum_of((const int8_t *)x, layer->inputs);
    const uint32_t *words = layer->words;
    int8_t *out = (int8_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k] - eight;
        }
        dot(sums, words + 4, (const int8_t *)x, layer->inputs);
        words += 4u + ((layer->inputs + 7u) >> 3 << 2);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const int32_t shift = edgekd_byte(words[4], k);
            const int32_t scaled = edgekd_requantize((int32_t)sums[k], (int32_t)words[k], shift, layer->y_zero);
            out[row + k] = (int8_t)edgekd_clamp(scaled, low, high);
        }
        words += 5;
    }
}
