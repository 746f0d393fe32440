/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For compilers without a C library (the ziglang wheel's clang). The macros let the compiler expand small copies in
 * place, which a freestanding compiler does not do on its own.
 */
#ifndef EDGEKD_HARNESS_STRING_H
#define EDGEKD_HARNESS_STRING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);

#define memcpy(to, from, bytes) __builtin_memcpy(to, from, bytes)
#define memmove(to, from, bytes) __builtin_memmove(to, from, bytes)
#define memset(to, value, bytes) __builtin_memset(to, value, bytes)
#define memcmp(left, right, bytes) __builtin_memcmp(left, right, bytes)

#ifdef __cplusplus
}
#endif

#endif
