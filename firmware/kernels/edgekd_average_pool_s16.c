/* SPDX-License-Identifier: Apache-2.0 */
#define POOL edgekd_average_pool_s16
#define ELEMENT int16_t
#define BITS 16
#include "edgekd_average_pool_body.h"
