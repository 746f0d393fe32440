/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"

void edgekd_arg_extreme_s8(const edgekd_arg_extreme *layer, const int8_t *x, int32_t *y) {
    uint32_t i, j, k;
    for (i = 0; i < layer->outer; i++, x += layer->size * layer->inner) {
        for (j = 0; j < layer->inner; j++) {
            uint32_t place = 0;
            for (k = 1; k < layer->size; k++) {
                const int8_t candidate = x[k * layer->inner + j];
                const int8_t most = x[place * layer->inner + j];
                place = (layer->largest ? candidate > most : candidate < most) ? k : place;
            }
            *y++ = (int32_t)place;
        }
    }
}
