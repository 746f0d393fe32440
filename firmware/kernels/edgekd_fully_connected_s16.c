/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Four inputs of four rows are four words, one per row: bytes 0 and 2 belong to inputs 0 and 1, bytes 1 and 3 to inputs
 * 2 and 3. A scale is multiplier / 2^32 / 2^shift with a multiplier of 15 bits times 2^16, shift >= 1. The zero points
 * of int16 are 0.
 */

#if EDGEKD_DSP

EDGEKD_ASSERT(offsetof(edgekd_fully_connected, inputs) == 4u, inputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, outputs) == 8u, outputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, output_zero_point) == 12u, output_zero_point);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, low) == 16u, low);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, high) == 20u, high);

/* Four inputs in r2 and r3, of one row: its weights in WEIGHTS, its sum in SUM. */
#define ROW(WEIGHTS, SUM) \
    "sxtb16 lr, " WEIGHTS "\n\t" \
    "smlad " SUM ", lr, r2, " SUM "\n\t" \
    "sxtb16 lr, " WEIGHTS ", ror #8\n\t" \
    "smlad " SUM ", lr, r3, " SUM "\n\t"

#define FOUR_ROWS \
    "ldm r0!, {r4-r7}\n\t" \
    ROW("r4", "r8") \
    ROW("r5", "r9") \
    ROW("r6", "r10") \
    ROW("r7", "r11")

#define FOUR_INPUTS \
    "ldr r2, [r1], #4\n\t" \
    "ldr r3, [r1], #4\n\t" FOUR_ROWS

/* Total in ROW, scaled, shifted by the lowest byte of r12, to sixteen bits; the last bit shifted out is the carry. */
#define FINISH(ROW, MULTIPLIER) \
    "smmul " ROW ", " ROW ", " MULTIPLIER "\n\t" \
    "asrs " ROW ", " ROW ", r12\n\t" \
    "adc " ROW ", " ROW ", #0\n\t" \
    "ssat " ROW ", #16, " ROW "\n\t"

/*
 * In assembly, for compilers spill here. Eight inputs per turn of the inner loop, which begins in its middle where the
 * number of whole blocks of four is odd; then one to three inputs that are left.
 * Stack: [0] x, [4] whole blocks, [8] inputs left, [12] outputs left, [16] y, [20] low, [24] high.
 */
__attribute__((naked)) void edgekd_fully_connected_s16(const edgekd_fully_connected *layer EDGEKD_IN_ASSEMBLY,
                                                       const void *x EDGEKD_IN_ASSEMBLY,
                                                       void *y EDGEKD_IN_ASSEMBLY) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r11, lr}\n\t"
        "sub sp, #28\n\t"
        "ldm r0, {r0, r3, r4, r5, r6, r7}\n\t" /* packed_weights, inputs, outputs, output_zero_point, low, high */
        "lsrs r5, r3, #2\n\t"
        "and r3, r3, #3\n\t"
        "str r1, [sp]\n\t"
        "str r5, [sp, #4]\n\t"
        "str r3, [sp, #8]\n\t"
        "str r4, [sp, #12]\n\t"
        "str r2, [sp, #16]\n\t"
        "str r6, [sp, #20]\n\t"
        "str r7, [sp, #24]\n"
        "1:\n\t"
        "ldr r1, [sp]\n\t"
        "ldr r12, [sp, #4]\n\t"
        "ldm r0!, {r8-r11}\n\t"
        "adds r12, #1\n\t"
        "lsrs r12, r12, #1\n\t" /* turns; the carry is set where the blocks are even */
        "beq 4f\n\t"
        "bcc 3f\n"
        "2:\n\t" FOUR_INPUTS
        "3:\n\t" FOUR_INPUTS
        "subs r12, #1\n\t"
        "bne 2b\n"
        "4:\n\t"
        "ldr r6, [sp, #8]\n\t"
        "cbz r6, 5f\n\t"
        "movs r3, #0\n\t"
        "ldr r2, [r1], #4\n\t"
        "cmp r6, #3\n\t"
        "it eq\n\t"
        "ldreq r3, [r1]\n\t" FOUR_ROWS
        "5:\n\t"
        "ldm r0!, {r4-r7, r12}\n\t" /* multipliers and shifts */
        "ldr r1, [sp, #16]\n\t"
        "ldr r2, [sp, #20]\n\t"
        "ldr r3, [sp, #24]\n\t"
        FINISH("r8", "r4")
        "lsr r12, r12, #8\n\t"
        FINISH("r9", "r5")
        "lsr r12, r12, #8\n\t"
        FINISH("r10", "r6")
        "lsr r12, r12, #8\n\t"
        FINISH("r11", "r7")
        "pkhbt r8, r8, r9, lsl #16\n\t"
        "pkhbt r10, r10, r11, lsl #16\n\t"
        "ssub16 r4, r8, r2\n\t" /* the limits, two halves together */
        "sel r8, r8, r2\n\t"
        "ssub16 r4, r3, r8\n\t"
        "sel r8, r8, r3\n\t"
        "ssub16 r4, r10, r2\n\t"
        "sel r10, r10, r2\n\t"
        "ssub16 r4, r3, r10\n\t"
        "sel r10, r10, r3\n\t"
        "ldr r2, [sp, #12]\n\t"
        "subs r2, #4\n\t"
        "bmi 6f\n\t"
        "str r8, [r1], #4\n\t"
        "str r10, [r1], #4\n\t"
        "str r1, [sp, #16]\n\t"
        "str r2, [sp, #12]\n\t"
        "bne 1b\n\t"
        "b 7f\n"
        "6:\n\t" /* one to three outputs left */
        "strh r8, [r1], #2\n\t"
        "adds r2, #3\n\t"
        "beq 7f\n\t"
        "lsr r8, r8, #16\n\t"
        "strh r8, [r1], #2\n\t"
        "subs r2, #1\n\t"
        "beq 7f\n\t"
        "strh r10, [r1]\n"
        "7:\n\t"
        "add sp, #28\n\t"
        "pop {r4-r11, pc}\n");
}

#else

static void dot(uint32_t sums[4], const uint32_t *words, const int16_t *x, uint32_t inputs) {
    uint32_t i, k;
    for (i = 0; i < inputs; i++) {
        const uint32_t byte = ((i & 1u) << 1) + ((i & 2u) >> 1);
        for (k = 0; k < 4u; k++) {
            sums[k] += (uint32_t)(edgekd_byte(words[(i & ~3u) + k], byte) * x[i]);
        }
    }
}

static int32_t scale(int32_t sum, int32_t multiplier, uint32_t shift) {
    const int32_t upper = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return (upper + (int32_t)(1u << (shift - 1u))) >> shift;
}

void edgekd_fully_connected_s16(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_half(layer->low, 0);
    const int32_t high = edgekd_half(layer->high, 0);
    const uint32_t *words = layer->packed_weights;
    int16_t *out = (int16_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k];
        }
        dot(sums, words + 4, (const int16_t *)x, layer->inputs);
        words += 4u + ((layer->inputs + 3u) & ~3u);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const uint32_t shift = (words[4] >> (8u * k)) & 0xFFu;
            out[row + k] = (int16_t)edgekd_clamp(scale((int32_t)sums[k], (int32_t)words[k], shift), low, high);
        }
        words += 5;
    }
}

#endif
