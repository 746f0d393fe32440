/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

void edgekd_copy(const void *x, void *y, uint32_t bytes) {
    (void)edgekd_copy_bytes((const uint8_t *)x, (uint8_t *)y, bytes);
}
