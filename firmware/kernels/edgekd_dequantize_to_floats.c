/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"

static int32_t integer_at(const edgekd_conversion *layer, const void *x, uint32_t i) {
    switch (layer->type) {
    case EDGEKD_INT8:
        return ((const int8_t *)x)[i];
    case EDGEKD_UINT8:
        return ((const uint8_t *)x)[i];
    default:
        return ((const int16_t *)x)[i];
    }
}

void edgekd_dequantize_to_floats(const edgekd_conversion *layer, const void *x, float *y) {
    uint32_t i;
    for (i = 0; i < layer->count; i++) {
        y[i] = (float)(integer_at(layer, x, i) - layer->zero_point) * layer->scale;
    }
}
