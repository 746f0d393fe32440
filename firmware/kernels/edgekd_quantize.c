/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_quantize.h"

#include "edgekd_float.h"

int32_t edgekd_quantize(const edgekd_quant_params *params, float real) {
    float u = edgekd_product(real, params->inverse_scale);
    float nudged = u < 0.0f ? u - 0.5f : u + 0.5f;
    int32_t low = params->low - params->zero_point;
    int32_t high = params->high - params->zero_point;
    if (nudged >= (float)high) {
        return params->high;
    }
    return (nudged > (float)low ? (int32_t)nudged : low) + params->zero_point;
}

float edgekd_dequantize(const edgekd_quant_params *params, int32_t integer) {
    return edgekd_product((float)(integer - params->zero_point), params->scale);
}
