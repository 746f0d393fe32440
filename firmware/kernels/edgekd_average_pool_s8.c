/* SPDX-License-Identifier: Apache-2.0 */
#define POOL edgekd_average_pool_s8
#define ELEMENT int8_t
#define BITS 8
#include "edgekd_average_pool_body.h"
