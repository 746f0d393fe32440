/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_probabilities.h"

#include "edgekd_float.h"

#include <string.h>

#define LEAST -87.0f
#define INVERSE_LN2 1.44269502f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -0.000212194442f

/* exp(x) for x <= 0: 2^k p(r) with x = k ln 2 + r (Cody and Waite 1980), p of degree 6; 0 below -87. */
static float exponential(float x) {
    static const float taylor[7] = {0.00138888892f, 0.00833333377f, 0.0416666679f, 0.166666672f, 0.5f, 1.0f, 1.0f};
    float r, p, scale;
    int32_t k;
    uint32_t i, bits;
    if (x < LEAST) {
        return 0.0f;
    }
    k = (int32_t)edgekd_rounded(edgekd_product(x, INVERSE_LN2) - 0.5f);
    r = edgekd_rounded(x - edgekd_product((float)k, LN2_HIGH));
    r = edgekd_rounded(r - edgekd_product((float)k, LN2_LOW));
    p = taylor[0];
    for (i = 1; i < 7u; i++) {
        p = edgekd_rounded(edgekd_product(p, r) + taylor[i]);
    }
    bits = (uint32_t)(k + 127) << 23;
    memcpy(&scale, &bits, sizeof scale);
    return edgekd_product(p, scale);
}

void edgekd_probabilities(float *y, uint32_t count) {
    float most = y[0], total;
    uint32_t i;
    for (i = 1; i < count; i++) {
        most = y[i] > most ? y[i] : most;
    }
    for (i = 0; i < count; i++) {
        y[i] = exponential(edgekd_rounded(y[i] - most));
    }
    total = y[0];
    for (i = 1; i < count; i++) {
        total = edgekd_rounded(total + y[i]);
    }
    for (i = 0; i < count; i++) {
        y[i] = edgekd_rounded(y[i] / edgekd_rounded(total));
    }
}
