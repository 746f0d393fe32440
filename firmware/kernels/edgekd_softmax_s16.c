/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* A table of 513 entries over int16, 128 steps between entries. */
static int32_t interpolated(int32_t x, const int16_t *table) {
    const int32_t inside = edgekd_saturate_s16(x);
    const int16_t *const at = table + 256 + (inside >> 7);
    return at[0] + (((at[1] - at[0]) * (inside & 0x7F) + 64) >> 7);
}

static int32_t largest(const int16_t *x, uint32_t size) {
    int32_t most = -32768;
    uint32_t i;
    for (i = 0; i < size; i++) {
        most = x[i] > most ? x[i] : most;
    }
    return most;
}

/* The exponentials of a row into y. Returns their sum in Q0.15. */
static uint32_t exponentials(const edgekd_softmax_tables *layer, const int16_t *x, int16_t *y) {
    const int32_t most = largest(x, layer->size);
    uint32_t i, sum = 0;
    for (i = 0; i < layer->size; i++) {
        const int32_t scaled = edgekd_requantize(x[i] - most, layer->fraction, layer->shift, 32767);
        const int32_t value = interpolated(scaled, layer->exponentials);
        y[i] = (int16_t)value;
        sum += (uint32_t)value;
    }
    return sum;
}

void edgekd_softmax_s16(const edgekd_softmax_tables *layer, const int16_t *x, int16_t *y) {
    uint32_t row, i;
    for (row = 0; row < layer->rows; row++, x += layer->size, y += layer->size) {
        uint32_t sum = exponentials(layer, x, y);
        uint32_t shift = 30; /* the highest bit of the sum, which comes to bit 30 */
        int32_t reciprocal;
        for (; sum < 0x40000000u; sum <<= 1) {
            shift--;
        }
        reciprocal = interpolated((int32_t)((sum + (1u << 13)) >> 14) - 0x18000, layer->reciprocals);
        for (i = 0; i < layer->size; i++) {
            const int32_t share = (y[i] * reciprocal + (int32_t)(1u << (shift - 1u))) >> shift;
            y[i] = (int16_t)edgekd_clamp(share, 0, 32767);
        }
    }
}
