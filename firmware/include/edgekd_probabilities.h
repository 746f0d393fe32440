/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Softmax in float32 without libm: the operations of edgekd/tasks/float_softmax.py in the same order, each rounded once,
 * so that results are equal to those of training's code to the last bit, whatever the compiler's options.
 */
#ifndef EDGEKD_PROBABILITIES_H
#define EDGEKD_PROBABILITIES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Probabilities of logits, in place; they sum to about 1.
 * @param y      float[count], finite
 * @param count  at least 1
 * Stack: 64 bytes on a Cortex-M4. No scratch.
 */
void edgekd_probabilities(float *y, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
