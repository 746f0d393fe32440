/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGEKD_CRC32_H
#define EDGEKD_CRC32_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** CRC-32 of zlib: start with 0, go on with what was returned. */
uint32_t edgekd_crc32(uint32_t crc, const void *data, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
