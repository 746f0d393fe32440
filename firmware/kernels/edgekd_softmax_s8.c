/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* gemmlowp's arithmetic on 32 bits; Qm.n has m bits before the point. */

static int32_t multiply(int32_t a, int32_t b) { return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31); }

static int32_t shift_left(int32_t x, uint32_t bits) {
    const int32_t limit = INT32_MAX >> bits;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / (1 + x) for x in [0, 1), Q0.31: three steps of Newton-Raphson on half the denominator, from 48/17 - 32/17 of it. */
static int32_t one_over_one_plus(uint32_t x) {
    const int32_t half = (int32_t)((x + 0x80000000u) >> 1);
    int32_t estimate = 1515870810 + multiply(half, -1010580540);
    int32_t i;
    for (i = 0; i < 3; i++) {
        const int32_t missing = (1 << 29) - multiply(half, estimate);
        estimate += shift_left(multiply(estimate, missing), 2);
    }
    return shift_left(estimate, 1);
}

static uint32_t bits_of(uint32_t x) {
    uint32_t bits = 0;
    for (; x > 0u; x >>= 1) {
        bits++;
    }
    return bits;
}

static int32_t exponential(const edgekd_softmax *layer, int32_t difference) {
    return (uint32_t)difference < layer->entries ? layer->exponentials[difference] : 0;
}

static int32_t largest(const int8_t *x, uint32_t size) {
    int32_t most = -128;
    uint32_t i;
    for (i = 0; i < size; i++) {
        most = x[i] > most ? x[i] : most;
    }
    return most;
}

/* Of one row: the sum of its exponentials in Q12.19. */
static uint32_t sum_of(const edgekd_softmax *layer, const int8_t *x, int32_t most) {
    uint32_t i, sum = 0;
    for (i = 0; i < layer->size; i++) {
        sum += ((uint32_t)exponential(layer, most - x[i]) + (1u << 11)) >> 12;
    }
    return sum;
}

void edgekd_softmax_s8(const edgekd_softmax *layer, const int8_t *x, void *y) {
    const int32_t high = (1 << (layer->bits - 1u)) - 1;
    uint32_t row, i;
    for (row = 0; row < layer->rows; row++, x += layer->size) {
        const int32_t most = largest(x, layer->size);
        const uint32_t sum = sum_of(layer, x, most);
        const uint32_t length = bits_of(sum);
        const int32_t reciprocal = one_over_one_plus((sum << (32u - length)) - 0x80000000u);
        const uint32_t shift = length - 20u + 31u - layer->bits;
        for (i = 0; i < layer->size; i++) {
            const int32_t share = multiply(reciprocal, exponential(layer, most - x[i]));
            const int32_t scaled = shift > 31u ? -high - 1 : edgekd_shift_round(share, shift, -high - 1);
            const int32_t result = scaled > high ? high : scaled;
            if (layer->bits == 8u) {
                ((int8_t *)y)[row * layer->size + i] = (int8_t)result;
            } else {
                ((int16_t *)y)[row * layer->size + i] = (int16_t)result;
            }
        }
    }
}
