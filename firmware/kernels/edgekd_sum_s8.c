/* SPDX-License-Identifier: Apache-2.0 */
#define SUM edgekd_sum_s8
#define ELEMENT int8_t
#define BITS 8
#define LEAST (-128)
#define MOST 127
#include "edgekd_sum_body.h"
