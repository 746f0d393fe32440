/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Two weights in a 16-bit half of a word, e of an even input and o of the odd one behind it: 256 * e - o. With 128
 * added to each even input, u in [0, 255], a half of a word of x is 256 * x_odd + u, and
 *     256 * (e * u + o * x_odd) = half * u - (-o) * (256 * x_odd + u),
 * where -o is the lowest byte of the half: so only one half of each word is unpacked. The sums of both products may
 * wrap; their difference is 256 times the result. What 128 adds is part of the biases, which are times 256, too.
 */

#if EDGEKD_DSP

EDGEKD_ASSERT(offsetof(edgekd_block_sparse, columns) == 4u, columns);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, outputs) == 8u, outputs);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, output_zero_point) == 12u, output_zero_point);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, low) == 16u, low);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, high) == 20u, high);

/* Four inputs. r0 weights, r1 x, r3 columns, r8 and r9 both sums. */
#define BLOCK \
    "ldrb r4, [r3], #1\n\t" \
    "ldr r5, [r0], #4\n\t" \
    "ldr r6, [r1, r4, lsl #2]\n\t" \
    "eor r6, r6, #0x00800080\n\t" \
    "uxtb16 r4, r6\n\t" \
    "smlad r8, r5, r4, r8\n\t" \
    "sxtb16 r5, r5\n\t" \
    "smlad r9, r5, r6, r9\n\t"

/*
 * In assembly, for compilers spill here. Four blocks per turn of the inner loop; its first turn begins at a later one
 * where their number is no multiple of four.
 * r2 y, r7 blocks left, r10 output_zero_point, r11 low, r12 high, lr end of y.
 */
__attribute__((naked)) void edgekd_block_sparse_s8(const edgekd_block_sparse *layer EDGEKD_IN_ASSEMBLY,
                                                   const void *x EDGEKD_IN_ASSEMBLY, void *y EDGEKD_IN_ASSEMBLY) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r11, lr}\n\t"
        "ldm r0, {r0, r3, r9-r12}\n\t" /* packed_weights, columns, outputs, output_zero_point, low, high */
        "add lr, r2, r9\n"
        "1:\n\t"
        "ldrb r7, [r3], #1\n\t"
        "ldr r8, [r0], #4\n\t"
        "mov r9, #0\n\t"
        "and r4, r7, #3\n\t"
        "tbb [pc, r4]\n"
        "2:\n\t"
        ".byte (3f - 2b) / 2, (6f - 2b) / 2, (5f - 2b) / 2, (4f - 2b) / 2\n"
        "3:\n\t" BLOCK
        "4:\n\t" BLOCK
        "5:\n\t" BLOCK
        "6:\n\t" BLOCK
        "subs r7, #4\n\t"
        "bgt 3b\n\t"
        "ldr r5, [r0], #4\n\t"
        "ldrb r4, [r3], #1\n\t"
        "sub r8, r8, r9\n\t"
        "asr r8, r8, #8\n\t"
        "smmlar r8, r8, r5, r8\n\t"
        "add r8, r8, r8, asr #31\n\t"
        "asrs r8, r8, r4\n\t"
        "adc r8, r8, r10\n\t"
        "cmp r8, r11\n\t"
        "it lt\n\t"
        "movlt r8, r11\n\t"
        "cmp r8, r12\n\t"
        "it gt\n\t"
        "movgt r8, r12\n\t"
        "strb r8, [r2], #1\n\t"
        "cmp r2, lr\n\t"
        "bne 1b\n\t"
        "pop {r4-r11, pc}\n");
}

#else

/* 256 times what one half of a word adds. */
static uint32_t two_inputs(int32_t half, const int8_t *x) {
    const int32_t odd = -edgekd_byte((uint32_t)half, 0);
    const int32_t even = half + odd;
    return (uint32_t)(even * (x[0] + 128)) + (uint32_t)(odd * x[1]) * 256u;
}

static uint32_t dot(uint32_t sum, const uint32_t *words, const uint8_t *columns, uint32_t blocks, const int8_t *x) {
    for (; blocks > 0; blocks--) {
        const int8_t *at = x + 4u * *columns++;
        sum += two_inputs(edgekd_half(*words, 0), at) + two_inputs(edgekd_half(*words, 1), at + 2);
        words++;
    }
    return sum;
}

void edgekd_block_sparse_s8(const edgekd_block_sparse *layer, const void *x, void *y) {
    const uint32_t *words = layer->packed_weights;
    const uint8_t *columns = layer->columns;
    int8_t *out = (int8_t *)y;
    uint32_t row;
    for (row = 0; row < layer->outputs; row++) {
        const uint32_t blocks = *columns++;
        const int32_t sum = (int32_t)dot(words[0], words + 1, columns, blocks, (const int8_t *)x) >> 8;
        const int32_t scaled = edgekd_scale(sum, (int32_t)words[1 + blocks]);
        const uint32_t shift = columns[blocks];
        out[row] = (int8_t)edgekd_clamp(edgekd_shift_round(scaled, shift, layer->output_zero_point), layer->low, layer->high);
        words += 2u + blocks;
        columns += 1u + blocks;
    }
}

#endif
