/* SPDX-License-Identifier: Apache-2.0 */
#define POOL edgekd_max_pool_s8
#define ELEMENT int8_t
#define BITS 8
#define LEAST (-128)
#include "edgekd_max_pool_body.h"
