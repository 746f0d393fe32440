/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_elementwise.h"
#include "edgekd_kernels.h"

#define LSTM edgekd_lstm_s16
#define ELEMENT int16_t
#define SUM int64_t
#define LEAST (-32768)
#define MOST 32767

/* Biases are two words, the lower one first; multipliers have 15 bits, and shifts are to the right. */
static const uint32_t *four_rows(int64_t sums[4], const uint32_t *words, const int16_t *x, uint32_t count) {
    uint32_t i, k;
    for (k = 0; k < 4u; k++) {
        sums[k] = (int64_t)(words[2u * k] | (uint64_t)words[2u * k + 1u] << 32);
    }
    words += 8;
    for (i = 0; i < count; i++) {
        for (k = 0; k < 4u; k++) {
            sums[k] += edgekd_byte(words[(i & ~3u) + k], i & 3u) * x[i];
        }
    }
    return words + ((count + 3u) & ~3u);
}

static int32_t scaled(int64_t sum, int32_t multiplier, int32_t shift) {
    return (int32_t)((sum * multiplier + ((int64_t)1 << (shift - 1))) >> shift);
}

#include "edgekd_lstm_body.h"
