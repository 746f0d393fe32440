/* SPDX-License-Identifier: Apache-2.0 */
#define POOL edgekd_max_pool_s16
#define ELEMENT int16_t
#define BITS 16
#define LEAST (-32768)
#include "edgekd_max_pool_body.h"
