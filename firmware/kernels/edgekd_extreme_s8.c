/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"

/* The largest or smallest of one result. */
static int8_t extreme(const edgekd_extreme *layer, const int8_t *x) {
    int8_t most = *x;
    int32_t i, j;
    for (i = 0; i < layer->reduced[0]; i++, x += layer->reduced_strides[0]) {
        const int8_t *at = x;
        for (j = 0; j < layer->reduced[1]; j++, at += layer->reduced_strides[1]) {
            most = (layer->largest ? *at > most : *at < most) ? *at : most;
        }
    }
    return most;
}

void edgekd_extreme_s8(const edgekd_extreme *layer, const int8_t *x, int8_t *y) {
    int32_t i, j, k;
    for (i = 0; i < layer->kept[0]; i++) {
        for (j = 0; j < layer->kept[1]; j++) {
            const int8_t *at = x + i * layer->kept_strides[0] + j * layer->kept_strides[1];
            for (k = 0; k < layer->kept[2]; k++, at += layer->kept_strides[2]) {
                *y++ = extreme(layer, at);
            }
        }
    }
}
