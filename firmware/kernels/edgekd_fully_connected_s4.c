/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Eight inputs of four rows are four words, one per row, of eight weights plus 8, in [0, 15]: nibbles 0 to 3 belong to
 * inputs 0, 1, 4, 5 and nibbles 4 to 7 to inputs 2, 3, 6, 7. So a mask leaves two weights as halves, and
 *     sum x * w = sum x * (w + 8) - 8 * sum x.
 */

#if EDGEKD_DSP

EDGEKD_ASSERT(offsetof(edgekd_fully_connected, inputs) == 4u, inputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, outputs) == 8u, outputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, output_zero_point) == 12u, output_zero_point);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, low) == 16u, low);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, high) == 20u, high);

/* Two pairs of inputs in r2 and r3, of one row: its weights in WEIGHTS, shifted to the pairs by FIRST and SECOND. */
#define ROW(WEIGHTS, SUM, FIRST, SECOND) \
    "and lr, r12, " WEIGHTS FIRST "\n\t" \
    "smlad " SUM ", lr, r2, " SUM "\n\t" \
    "and lr, r12, " WEIGHTS SECOND "\n\t" \
    "smlad " SUM ", lr, r3, " SUM "\n\t"

#define FOUR_INPUTS(FIRST, SECOND) \
    "ldr r3, [r1], #4\n\t" \
    "sxtb16 r2, r3\n\t" \
    "sxtb16 r3, r3, ror #8\n\t" \
    ROW("r4", "r8", FIRST, SECOND) \
    ROW("r5", "r9", FIRST, SECOND) \
    ROW("r6", "r10", FIRST, SECOND) \
    ROW("r7", "r11", FIRST, SECOND)

/*
 * In assembly, for compilers spill here.
 * Stack: [0] x, [4] its end, [8] 8 * sum x, [12] outputs left, [16] y, [20] output_zero_point, [24] low, [28] high.
 */
__attribute__((naked)) void edgekd_fully_connected_s4(const edgekd_fully_connected *layer EDGEKD_IN_ASSEMBLY,
                                                      const void *x EDGEKD_IN_ASSEMBLY,
                                                      void *y EDGEKD_IN_ASSEMBLY) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r11, lr}\n\t"
        "sub sp, #32\n\t"
        "ldm r0, {r0, r3, r4, r5, r6, r7}\n\t" /* packed_weights, inputs, outputs, output_zero_point, low, high */
        "add r3, r3, r1\n\t"
        "str r1, [sp]\n\t"
        "str r3, [sp, #4]\n\t"
        "str r4, [sp, #12]\n\t"
        "str r2, [sp, #16]\n\t"
        "str r5, [sp, #20]\n\t"
        "str r6, [sp, #24]\n\t"
        "str r7, [sp, #28]\n\t"
        "movs r4, #0\n\t"
        "mov r5, #0x00010001\n"
        "1:\n\t" /* the sum of x */
        "ldr r6, [r1], #4\n\t"
        "sxtb16 r7, r6\n\t"
        "sxtb16 r6, r6, ror #8\n\t"
        "smlad r4, r7, r5, r4\n\t"
        "smlad r4, r6, r5, r4\n\t"
        "cmp r1, r3\n\t"
        "blo 1b\n\t"
        "lsls r4, r4, #3\n\t"
        "str r4, [sp, #8]\n"
        "2:\n\t"
        "ldr r1, [sp]\n\t"
        "ldr lr, [sp, #8]\n\t"
        "ldm r0!, {r8-r11}\n\t"
        "mov r12, #0x000F000F\n\t"
        "sub r8, r8, lr\n\t"
        "sub r9, r9, lr\n\t"
        "sub r10, r10, lr\n\t"
        "sub r11, r11, lr\n"
        "3:\n\t"
        "ldm r0!, {r4-r7}\n\t" FOUR_INPUTS("", ", lsr #4")
        "ldr lr, [sp, #4]\n\t"
        "cmp r1, lr\n\t"
        "bhs 4f\n\t" FOUR_INPUTS(", lsr #8", ", lsr #12")
        "ldr lr, [sp, #4]\n\t"
        "cmp r1, lr\n\t"
        "blo 3b\n"
        "4:\n\t"
        "ldm r0!, {r4-r7, r12}\n\t" /* fractions and shifts */
        "ldr r1, [sp, #20]\n\t"
        "ldr r2, [sp, #16]\n\t"
        "ldr r3, [sp, #12]\n\t"
        EDGEKD_FINISH_BYTE("r8", "r4")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r9", "r5")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r10", "r6")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r11", "r7")
        "ldr r4, [sp, #24]\n\t"
        "ldr r5, [sp, #28]\n\t"
        "bfi r8, r9, #8, #8\n\t"
        "bfi r8, r10, #16, #8\n\t"
        "bfi r8, r11, #24, #8\n\t"
        "ssub8 r6, r8, r4\n\t" /* the limits, four bytes together */
        "sel r8, r8, r4\n\t"
        "ssub8 r6, r5, r8\n\t"
        "sel r8, r8, r5\n\t"
        "subs r3, #4\n\t"
        "bmi 5f\n\t"
        "str r8, [r2], #4\n\t"
        "str r2, [sp, #16]\n\t"
        "str r3, [sp, #12]\n\t"
        "bne 2b\n\t"
        "b 6f\n"
        "5:\n\t" /* one to three outputs left */
        "adds r3, #4\n"
        "7:\n\t"
        "strb r8, [r2], #1\n\t"
        "lsr r8, r8, #8\n\t"
        "subs r3, #1\n\t"
        "bne 7b\n"
        "6:\n\t"
        "add sp, #32\n\t"
        "pop {r4-r11, pc}\n");
}

#else

static uint32_t sum_of(const int8_t *x, uint32_t inputs) {
    uint32_t i;
    int32_t sum = 0;
    for (i = 0; i < inputs; i++) {
        sum += x[i];
    }
    return (uint32_t)sum;
}

static void dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    uint32_t i, k;
    for (i = 0; i < inputs; i++) {
        const uint32_t nibble = (i & 1u) + ((i & 4u) >> 1) + ((i & 2u) << 1);
        for (k = 0; k < 4u; k++) {
            const int32_t weight = (int32_t)((words[((i >> 3) << 2) + k] >> (4u * nibble)) & 15u);
            sums[k] += (uint32_t)(weight * x[i]);
        }
    }
}

void edgekd_fully_connected_s4(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const uint32_t eight = 8u * sum_of((const int8_t *)x, layer->inputs);
    const uint32_t *words = layer->packed_weights;
    int8_t *out = (int8_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k] - eight;
        }
        dot(sums, words + 4, (const int8_t *)x, layer->inputs);
        words += 4u + ((layer->inputs + 7u) >> 3 << 2);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const uint32_t shift = (words[4] >> (8u * k)) & 0xFFu;
            const int32_t scaled = edgekd_scale((int32_t)sums[k], (int32_t)words[k]);
            out[row + k] = (int8_t)edgekd_clamp(edgekd_shift_round(scaled, shift, layer->output_zero_point), low, high);
        }
        words += 5;
    }
}

#endif
