/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

void edgekd_copy_strided(const edgekd_strides *layer, const void *x, void *y) {
    const uint8_t *from = (const uint8_t *)x + layer->x_start;
    uint8_t *to = (uint8_t *)y + layer->y_start;
    int32_t at[3] = {0, 0, 0};
    int32_t i;
    do {
        const uint8_t *source = from + at[0] * layer->x_strides[0] + at[1] * layer->x_strides[1] + at[2] * layer->x_strides[2];
        uint8_t *target = to + at[0] * layer->y_strides[0] + at[1] * layer->y_strides[1] + at[2] * layer->y_strides[2];
        for (i = 0; i < layer->sizes[3]; i++, source += layer->x_strides[3], target += layer->y_strides[3]) {
            (void)edgekd_copy_bytes(source, target, layer->bytes);
        }
        for (i = 2; i >= 0 && ++at[i] == layer->sizes[i]; i--) {
            at[i] = 0;
        }
    } while (i >= 0);
}
