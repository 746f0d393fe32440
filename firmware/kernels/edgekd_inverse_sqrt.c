/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_elementwise.h"

#define ONE_AND_A_HALF 402653184 /* Q3 */
#define HALF_SQRT_2 1518500250   /* Q0 */

/* High 32 bits of 2 * a * b, rounded half up. */
static int32_t doubling_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

static int32_t saturating_shift(int32_t x, uint32_t bits) {
    const int64_t wide = (int64_t)x * ((int64_t)1 << bits);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* Five steps of Newton-Raphson from 1 in Q3 (TFLite's GetInvSqrtQuantizedMultiplierExp). */
int32_t edgekd_inverse_sqrt(int32_t x) {
    int32_t y = 1 << 28;
    int32_t half, shift = 11;
    uint32_t step;
    if (x <= 1) {
        return 1 << 20;
    }
    for (; x < (1 << 27); shift--) {
        x *= 4;
    }
    half = (x / 2 + 1) / 2;
    for (step = 0; step < 5u; step++) {
        const int32_t cube = saturating_shift(doubling_high_mul(doubling_high_mul(y, y), y), 6);
        y = saturating_shift(doubling_high_mul(y, ONE_AND_A_HALF) - doubling_high_mul(half, cube), 3);
    }
    y = doubling_high_mul(y, HALF_SQRT_2);
    for (; shift < 0; shift++) {
        y *= 2;
    }
    return doubling_high_mul(1 << (20 - shift), y);
}
