#include "edgekd_kernels.h"
#include "edgekd_math.h"

#if EDGEKD_DSP

/* Elements that lie side by side, 2 at a time. */
static uint32_t sum_of(const int16_t *x, int32_t count, uint32_t sum) {
    for (; count >= 2; count -= 2, x += 2) {
        const uint32_t word = edgekd_word(x);
        sum = edgekd_dot_halves(word, 0x00010001u, sum);
    }
    for (; count > 0; count--) {
        const int32_t value = *x++;
        sum += (uint32_t)value;
    }
    return sum;
}

#else

static uint32_t sum_of(const int16_t *x, int32_t count, uint32_t sum) {
    for (; count > 0; count--) {
        const int32_t value = *x++;
        sum += (uint32_t)value;
    }
    return sum;
}

#endif

static uint32_t total(const edgekd_sum *layer, const int16_t *x) {
    uint32_t sum = (uint32_t)layer->offset;
    int32_t i, j;
    for (i = 0; i < layer->summed[0]; i++, x += layer->summed_strides[0]) {
        const int16_t *at = x;
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

void edgekd_sum_s16(const edgekd_sum *layer, const int16_t *x, int16_t *y) {
    int32_t i, j, k;
    for (i = 0; i < layer->kept[0]; i++) {
        for (j = 0; j < layer->kept[1]; j++) {
            const int16_t *at = x + i * layer->kept_strides[0] + j * layer->kept_strides[1];
            for (k = 0; k < layer->kept[2]; k++, at += layer->kept_strides[2]) {
                const int32_t sum = (int32_t)total(layer, at);
                const int32_t scaled = edgekd_multiply(sum, layer->multiplier, layer->shift);
                *y++ = (int16_t)edgekd_clamp(scaled + layer->y_zero, -32768, 32767);
            }
        }
    }
}
