/* SPDX-License-Identifier: Apache-2.0 */
/* Real numbers and the integers that stand for them. */
#ifndef EDGEKD_QUANTIZE_H
#define EDGEKD_QUANTIZE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* real = scale * (integer - zero_point), integers from low to high. */
typedef struct {
    float scale;
    float inverse_scale; /* 1 / scale, rounded to float32 */
    int32_t zero_point;
    int32_t low;
    int32_t high;
} edgekd_quant_params;

/** Nearest integer of a real number, halves away from zero, saturated to [low, high]; NaN gives low. */
int32_t edgekd_quantize(const edgekd_quant_params *params, float real);

/** Real number of an integer. */
float edgekd_dequantize(const edgekd_quant_params *params, int32_t integer);

#ifdef __cplusplus
}
#endif

#endif
