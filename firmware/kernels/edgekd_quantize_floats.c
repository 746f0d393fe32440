/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"

/* Steps of the scale from the zero point, rounded half away from zero. In two steps, for u + 0.5 may round itself. */
static int32_t steps_of(float real, const edgekd_conversion *layer) {
    const float u = real / layer->scale;
    const int32_t low = layer->low - layer->zero_point;
    const int32_t high = layer->high - layer->zero_point;
    int32_t whole;
    float rest;
    if (u >= (float)high) {
        return high;
    }
    if (!(u > (float)low)) {
        return low;
    }
    whole = (int32_t)u;
    rest = u - (float)whole;
    return rest >= 0.5f ? whole + 1 : rest <= -0.5f ? whole - 1 : whole;
}

void edgekd_quantize_floats(const edgekd_conversion *layer, const float *x, void *y) {
    uint32_t i;
    for (i = 0; i < layer->count; i++) {
        const int32_t integer = steps_of(x[i], layer) + layer->zero_point;
        switch (layer->type) {
        case EDGEKD_INT8:
            ((int8_t *)y)[i] = (int8_t)integer;
            break;
        case EDGEKD_UINT8:
            ((uint8_t *)y)[i] = (uint8_t)integer;
            break;
        default:
            ((int16_t *)y)[i] = (int16_t)integer;
            break;
        }
    }
}
