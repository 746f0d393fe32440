/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four functions every freestanding C compiler may call. Nothing else of a C library is linked.
 * The empty asm keeps the compiler from recognizing a loop as a call of the very function it is in.
 */
#include <stddef.h>
#include <string.h>

#undef memcpy
#undef memmove
#undef memset
#undef memcmp

#define OPAQUE(pointer) __asm__ volatile("" : "+r"(pointer))

void *memcpy(void *to, const void *from, size_t bytes) {
    unsigned char *out = to;
    const unsigned char *in = from;
    while (bytes-- > 0) {
        *out++ = *in++;
        OPAQUE(out);
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    unsigned char *out = to;
    const unsigned char *in = from;
    if (out <= in) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- > 0) {
        out[bytes] = in[bytes];
        OPAQUE(out);
    }
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    unsigned char *out = to;
    while (bytes-- > 0) {
        *out++ = (unsigned char)value;
        OPAQUE(out);
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t bytes) {
    const unsigned char *a = left;
    const unsigned char *b = right;
    for (; bytes > 0; bytes--, a++, b++) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}
