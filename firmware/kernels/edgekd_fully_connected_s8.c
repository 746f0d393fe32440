/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Two rows in one accumulator: a 16-bit half of a weight word is 256 * odd + even, with weights of two neighboring
 * rows. Then
 *     pair = sum x * (256 * odd + even),  even = sum x * even,  and (pair - even) / 256 is the sum of the odd row,
 * exactly. So four weights cost one load, one unpacking and two multiplications. `pair` may wrap on its way.
 */

#if EDGEKD_DSP

EDGEKD_ASSERT(offsetof(edgekd_fully_connected, inputs) == 4u, inputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, outputs) == 8u, outputs);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, output_zero_point) == 12u, output_zero_point);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, low) == 16u, low);
EDGEKD_ASSERT(offsetof(edgekd_fully_connected, high) == 20u, high);

/* Four inputs, four rows. r0 weights, r1 x, r8 pair of rows 0,1, r9 row 0, r10 pair of rows 2,3, r11 row 2. */
#define FOUR_INPUTS(OFFSET) \
    "ldr r2, [r1], #4\n\t" \
    "ldr r4, [r0, #" OFFSET "]\n\t" \
    "ldr r5, [r0, #" OFFSET "+4]\n\t" \
    "ldr r6, [r0, #" OFFSET "+8]\n\t" \
    "ldr r7, [r0, #" OFFSET "+12]\n\t" \
    "sxtb16 r3, r2, ror #8\n\t" \
    "sxtb16 r2, r2\n\t" \
    "smlad r8, r4, r2, r8\n\t" \
    "sxtb16 r4, r4\n\t" \
    "smlad r9, r4, r2, r9\n\t" \
    "smlad r10, r5, r2, r10\n\t" \
    "sxtb16 r5, r5\n\t" \
    "smlad r11, r5, r2, r11\n\t" \
    "smlad r8, r6, r3, r8\n\t" \
    "sxtb16 r6, r6\n\t" \
    "smlad r9, r6, r3, r9\n\t" \
    "smlad r10, r7, r3, r10\n\t" \
    "sxtb16 r7, r7\n\t" \
    "smlad r11, r7, r3, r11\n\t"

/*
 * In assembly, for compilers spill here: all fourteen registers are in use. Sixteen inputs per turn of the inner loop;
 * its first turn begins at a later block where their number is no multiple of 16.
 * Stack: [0] x, [4] turns, [8] blocks to leave out of the first, [12] outputs left, [16] output_zero_point, [20] not 0 where the
 * limits are not those of the type, [24] low, [28] high.
 */
__attribute__((naked)) void edgekd_fully_connected_s8(const edgekd_fully_connected *layer EDGEKD_IN_ASSEMBLY,
                                                      const void *x EDGEKD_IN_ASSEMBLY,
                                                      void *y EDGEKD_IN_ASSEMBLY) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r11, lr}\n\t"
        "sub sp, #32\n\t"
        "mov lr, r2\n\t"
        "ldm r0, {r0, r3, r4, r5, r6, r7}\n\t" /* packed_weights, inputs, outputs, output_zero_point, low, high */
        "eor r8, r6, #0x80808080\n\t"
        "eor r9, r7, #0x7F7F7F7F\n\t"
        "orr r8, r8, r9\n\t"
        "str r6, [sp, #24]\n\t"
        "str r7, [sp, #28]\n\t"
        "str r8, [sp, #20]\n\t"
        "adds r3, #3\n\t"
        "lsrs r3, r3, #2\n\t"
        "adds r6, r3, #3\n\t"
        "lsrs r6, r6, #2\n\t"
        "rsb r7, r3, r6, lsl #2\n\t"
        "str r1, [sp]\n\t"
        "str r6, [sp, #4]\n\t"
        "str r7, [sp, #8]\n\t"
        "str r4, [sp, #12]\n\t"
        "str r5, [sp, #16]\n"
        "1:\n\t"
        "ldr r1, [sp]\n\t"
        "ldr r12, [sp, #4]\n\t"
        "ldr r2, [sp, #8]\n\t"
        "ldm r0!, {r8-r11}\n\t"
        "sub r0, r0, r2, lsl #4\n\t"
        "cmp r2, #2\n\t"
        "beq 4f\n\t"
        "bhi 5f\n\t"
        "cmp r2, #1\n\t"
        "beq 3f\n"
        "2:\n\t" FOUR_INPUTS("0")
        "3:\n\t" FOUR_INPUTS("16")
        "4:\n\t" FOUR_INPUTS("32")
        "5:\n\t" FOUR_INPUTS("48")
        "adds r0, #64\n\t"
        "subs r12, #1\n\t"
        "bne 2b\n\t"
        "ldm r0!, {r4-r7, r12}\n\t" /* fractions and shifts */
        "ldr r1, [sp, #16]\n\t"
        "ldr r2, [sp, #12]\n\t"
        "ldr r3, [sp, #20]\n\t"
        "sub r8, r8, r9\n\t"
        "sub r10, r10, r11\n\t"
        "asr r8, r8, #8\n\t"
        "asr r10, r10, #8\n\t"
        EDGEKD_FINISH_BYTE("r9", "r4")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r8", "r5")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r11", "r6")
        "lsr r12, r12, #8\n\t"
        EDGEKD_FINISH_BYTE("r10", "r7")
        "bfi r9, r8, #8, #8\n\t"
        "bfi r9, r11, #16, #8\n\t"
        "bfi r9, r10, #24, #8\n\t"
        "cbnz r3, 9f\n"
        "10:\n\t"
        "subs r2, #4\n\t"
        "bmi 6f\n\t"
        "str r9, [lr], #4\n\t"
        "str r2, [sp, #12]\n\t"
        "bne 1b\n\t"
        "b 7f\n"
        "6:\n\t" /* one to three outputs left */
        "adds r2, #4\n"
        "8:\n\t"
        "strb r9, [lr], #1\n\t"
        "lsr r9, r9, #8\n\t"
        "subs r2, #1\n\t"
        "bne 8b\n"
        "7:\n\t"
        "add sp, #32\n\t"
        "pop {r4-r11, pc}\n"
        "9:\n\t" /* the limits, four bytes together */
        "ldr r4, [sp, #24]\n\t"
        "ldr r5, [sp, #28]\n\t"
        "ssub8 r6, r9, r4\n\t"
        "sel r9, r9, r4\n\t"
        "ssub8 r6, r5, r9\n\t"
        "sel r9, r9, r5\n\t"
        "b 10b\n");
}

#else

/* The even row's weight in a half. */
static int32_t even_of(int32_t half) { return edgekd_byte((uint32_t)half, 0); }

/* One word: two inputs, two rows. */
static void accumulate(uint32_t *sums, uint32_t word, int32_t x_lower, int32_t x_upper) {
    const int32_t low = edgekd_half(word, 0);
    const int32_t high = edgekd_half(word, 1);
    sums[0] += (uint32_t)(low * x_lower) + (uint32_t)(high * x_upper);
    sums[1] += (uint32_t)(even_of(low) * x_lower + even_of(high) * x_upper);
}

/* Four rows: sums of rows 0,1 | row 0 | rows 2,3 | row 2. Returns where the words of the four rows end. */
static const uint32_t *dot(uint32_t sums[4], const uint32_t *words, const int8_t *x, uint32_t inputs) {
    uint32_t i;
    for (i = 0; i < inputs; i += 4u, words += 4) {
        const int32_t x0 = x[i];
        const int32_t x1 = i + 1u < inputs ? x[i + 1u] : 0;
        const int32_t x2 = i + 2u < inputs ? x[i + 2u] : 0;
        const int32_t x3 = i + 3u < inputs ? x[i + 3u] : 0;
        accumulate(&sums[0], words[0], x0, x2);
        accumulate(&sums[2], words[1], x0, x2);
        accumulate(&sums[0], words[2], x1, x3);
        accumulate(&sums[2], words[3], x1, x3);
    }
    return words;
}

void edgekd_fully_connected_s8(const edgekd_fully_connected *layer, const void *x, void *y) {
    const int32_t low = edgekd_byte(layer->low, 0);
    const int32_t high = edgekd_byte(layer->high, 0);
    const uint32_t *words = layer->packed_weights;
    int8_t *out = (int8_t *)y;
    uint32_t row, k;
    for (row = 0; row < layer->outputs; row += 4u) {
        uint32_t sums[4];
        uint32_t totals[4];
        for (k = 0; k < 4u; k++) {
            sums[k] = words[k];
        }
        words = dot(sums, words + 4, (const int8_t *)x, layer->inputs);
        totals[0] = sums[1];
        totals[1] = (uint32_t)((int32_t)(sums[0] - sums[1]) >> 8);
        totals[2] = sums[3];
        totals[3] = (uint32_t)((int32_t)(sums[2] - sums[3]) >> 8);
        for (k = 0; k < 4u && row + k < layer->outputs; k++) {
            const int32_t scaled = edgekd_scale((int32_t)totals[k], (int32_t)words[k]);
            const uint32_t shift = (words[4] >> (8u * k)) & 0xFFu;
            out[row + k] = (int8_t)edgekd_clamp(edgekd_shift_round(scaled, shift, layer->output_zero_point), low, high);
        }
        words += 5;
    }
}

#endif
