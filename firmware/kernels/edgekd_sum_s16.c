/* SPDX-License-Identifier: Apache-2.0 */
#define SUM edgekd_sum_s16
#define ELEMENT int16_t
#define BITS 16
#define LEAST (-32768)
#define MOST 32767
#include "edgekd_sum_body.h"
