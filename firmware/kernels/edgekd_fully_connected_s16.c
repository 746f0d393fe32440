#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Four rows at a time. A word holds four weights of a row in the order 0, 2, 1, 3: its even bytes stand for the inputs
 * of the first word of x, its odd bytes for those of the second.
 */

#if EDGEKD_DSP

EDGEKD_INLINE int32_t dot4(uint32_t weights, uint32_t x01, uint32_t x23, int32_t sum) {
    uint32_t pair;
    __asm__("sxtb16 %1, %2\n\t"
            "smlad %0, %1, %3, %0\n\t"
            "sxtb16 %1, %2, ror #8\n\t"
            "smlad %0, %1, %4, %0"
            : "+r"(sum), "=&r"(pair)
            : "r"(weights), "r"(x01), "r"(x23));
    return sum;
}

#else

EDGEKD_INLINE int32_t weight(uint32_t word, uint32_t at) { return (int8_t)((word >> (8u * at)) & 0xFFu); }

EDGEKD_INLINE int32_t half(uint32_t word, uint32_t at) { return (int16_t)((word >> (16u * at)) & 0xFFFFu); }

EDGEKD_INLINE int32_t dot4(uint32_t weights, uint32_t x01, uint32_t x23, int32_t sum) {
    return sum + weight(weights, 0) * half(x01, 0) + weight(weights, 2) * half(x01, 1) +
           weight(weights, 1) * half(x23, 0) + weight(weights, 3) * half(x23, 1);
}

#endif

EDGEKD_INLINE uint32_t pair_of(const int16_t *x) { return (uint32_t)(uint16_t)x[0] | (uint32_t)(uint16_t)x[1] << 16; }

/* total * multiplier / 2^(32 + shift), halves rounded up; rounding is 2^(shift - 1). */
EDGEKD_INLINE int32_t scaled(int32_t total, int32_t multiplier, int32_t rounding, uint32_t shift) {
#if EDGEKD_DSP
    __asm__("smmla %0, %1, %2, %3" : "=r"(total) : "r"(total), "r"(multiplier), "r"(rounding));
    return total >> shift;
#else
    return (int32_t)(((int64_t)total * multiplier + ((int64_t)rounding << 32)) >> 32) >> shift;
#endif
}

EDGEKD_INLINE int16_t finish(int32_t total, uint32_t multiplier, const edgekd_fully_connected_s16_layer *layer) {
    const int32_t rounding = (int32_t)(1u << (layer->shift - 1u));
    const int32_t y = scaled(total, (int32_t)multiplier, rounding, layer->shift);
    return (int16_t)(y < layer->low ? layer->low : y > layer->high ? layer->high : y);
}

void edgekd_fully_connected_s16(const edgekd_fully_connected_s16_layer *layer, const int16_t *x, int16_t *y) {
    const uint32_t *words = layer->words;
    const uint32_t outputs = layer->outputs;
    uint32_t row;
    for (row = 0; row < outputs; row += 4u) {
        const int16_t *at = x;
        const int16_t *const end = x + layer->inputs;
        int32_t s0 = (int32_t)words[0];
        int32_t s1 = (int32_t)words[1];
        int32_t s2 = (int32_t)words[2];
        int32_t s3 = (int32_t)words[3];
        words += 4;
        for (; at < end; at += 4, words += 4) {
            const uint32_t x01 = pair_of(at);
            const uint32_t x23 = pair_of(at + 2);
            s0 = dot4(words[0], x01, x23, s0);
            s1 = dot4(words[1], x01, x23, s1);
            s2 = dot4(words[2], x01, x23, s2);
            s3 = dot4(words[3], x01, x23, s3);
        }
        y[row] = finish(s0, words[0], layer);
        if (row + 1u < outputs) {
            y[row + 1u] = finish(s1, words[1], layer);
        }
        if (row + 2u < outputs) {
            y[row + 2u] = finish(s2, words[2], layer);
        }
        if (row + 3u < outputs) {
            y[row + 3u] = finish(s3, words[3], layer);
        }
        words += 4;
    }
}
