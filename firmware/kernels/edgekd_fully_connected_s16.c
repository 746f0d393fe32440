#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Four inputs of four rows are four words, one per row: bytes 0 and 2 belong to inputs 0 and 1, bytes 1 and 3 to inputs
 * 2 and 3. A scale is multiplier / 2^32 / 2^shift with a multiplier of 15 bits times 2^16, shift >= 1.
 */

#if EDGEKD_DSP

static uint32_t four_inputs(uint32_t weights, uint32_t x_first, uint32_t x_second, uint32_t sum) {
    sum = edgekd_dot_halves(edgekd_even_bytes(weights), x_first, sum);
    return edgekd_dot_halves(edgekd_odd_bytes(weights), x_second, sum);
}

static void dot(uint32_t sums[4], const uint32_t *words, const int16_t *x, uint32_t inputs) {
    const int16_t *const end = x + inputs;
    uint32_t a = sums[0];
    uint32_t b = sums[1];
    uint32_t c = sums[2];
    uint32_t d = sums[3];
    for (; x < end; x += 4, words += 4) {
        const uint32_t first = edgekd_word(x);
        const uint32_t second = end - x > 2 ? edgekd_word(x + 2) : 0u;
        a = four_inputs(words[0], first, second, a);
        b = four_inputs(words[1], first, second, b);
        c = four_inputs(words[2], first, second, c);
        d = four_inputs(words[3], first, second, d);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static int32_t scale(int32_t sum, int32_t multiplier, uint32_t shift, int32_t zero) {
    int32_t result;
    __asm__("smmul %0, %1, %2\n\t"
            "asrs %0, %0, %3\n\t" /* the last bit that is shifted out is the carry */
            "adc %0, %0, %4"
            : "=&r"(result)
            : "r"(sum), "r"(multiplier), "r"(shift), "r"(zero)
            : "cc");
    return result;
}

#else

static void dot(uint32_t sums[4], const uint32_t *words, const int16_t *x, uint32_t inputs) {
    uint32_t i, k;
    for (i = 0; i < inputs; i++) {
        const uint32_t byte = ((i & 1u) << 1) + ((i & 2u) >> 1);
        for (k = 0; k < 4u; k++) {
            sums[k] += (uint32_t)(edgekd_byte(words[(i & ~3u) + k], byte) * x[i]);
        }
    }
}

static int32_t scale(int32_t sum, int32_t multiplier, uint32_t shift, int32_t zero) {
    const int32_t upper = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return ((upper + (int32_t)(1u << (shift - 1u))) >> shift) + zero;
}

#endif

void edgekd_fully_connected_s16(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_half(layer->low, 0);
    const int32_t high = edgekd_half(layer->high, 0);
    const uint32_t *words = layer->words;
    int16_t *out = (int16_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k];
        }
        dot(sums, words + 4, (const int16_t *)x, layer->inputs);
        words += 4u + ((layer->inputs + 3u) & ~3u);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const uint32_t shift = (words[4] >> (8u * k)) & 0xFFu;
            const int32_t scaled = scale((int32_t)sums[k], (int32_t)words[k], shift, layer->y_zero);
            out[row + k] = (int16_t)edgekd_clamp(scaled, low, high);
        }
        words += 5;
    }
}
