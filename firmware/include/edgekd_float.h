/* SPDX-License-Identifier: Apache-2.0 */
/* Float arithmetic that every compiler rounds alike. */
#ifndef EDGEKD_FLOAT_H
#define EDGEKD_FLOAT_H

/* Where the compiler keeps a float: a register of the FPU, or of the core. */
#if defined(__ARM_FP) && !defined(__SOFTFP__)
#define EDGEKD_FLOAT_REGISTER "+t"
#elif defined(__SSE__)
#define EDGEKD_FLOAT_REGISTER "+x"
#else
#define EDGEKD_FLOAT_REGISTER "+r"
#endif

/*
 * A value that is rounded to float32 before anything else happens to it.
 * Compilers may otherwise turn a * b + c into one fused operation, which rounds once instead of twice (GCC does by
 * default), or take sums in another order. The empty assembly costs nothing and cannot be looked through.
 */
static inline float edgekd_rounded(float value) {
#if defined(__GNUC__) || defined(__clang__)
    float rounded = value;
    __asm__("" : EDGEKD_FLOAT_REGISTER(rounded));
    return rounded;
#else
    volatile float rounded = value;
    return rounded;
#endif
}

static inline float edgekd_product(float a, float b) { return edgekd_rounded(a * b); }

#endif
