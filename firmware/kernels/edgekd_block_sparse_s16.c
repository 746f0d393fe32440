/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/*
 * Bytes 0 and 2 of a word of weights belong to inputs 0 and 1 of a block, bytes 1 and 3 to inputs 2 and 3. Scales and
 * zero points are as in edgekd_fully_connected_s16.
 */

#if EDGEKD_DSP

EDGEKD_ASSERT(offsetof(edgekd_block_sparse, columns) == 4u, columns);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, outputs) == 8u, outputs);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, output_zero_point) == 12u, output_zero_point);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, low) == 16u, low);
EDGEKD_ASSERT(offsetof(edgekd_block_sparse, high) == 20u, high);

/* Four inputs. r0 weights, r1 x, r3 columns, r8 the sum, r10 x + 2. */
#define BLOCK \
    "ldrb r4, [r3], #1\n\t" \
    "ldr r5, [r0], #4\n\t" \
    "ldr r6, [r1, r4, lsl #2]\n\t" \
    "ldr r9, [r10, r4, lsl #2]\n\t" \
    "sxtb16 r4, r5\n\t" \
    "smlad r8, r4, r6, r8\n\t" \
    "sxtb16 r5, r5, ror #8\n\t" \
    "smlad r8, r5, r9, r8\n\t"

/*
 * In assembly, for compilers spill here. Four blocks per turn of the inner loop; its first turn begins at a later one
 * where their number is no multiple of four.
 * r2 y, r7 blocks left, r11 low, r12 high, lr end of y.
 */
__attribute__((naked)) void edgekd_block_sparse_s16(const edgekd_block_sparse *layer EDGEKD_IN_ASSEMBLY,
                                                    const void *x EDGEKD_IN_ASSEMBLY, void *y EDGEKD_IN_ASSEMBLY) {
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r11, lr}\n\t"
        "ldm r0, {r0, r3, r9-r12}\n\t" /* packed_weights, columns, outputs, output_zero_point, low, high */
        "add lr, r2, r9, lsl #1\n\t"
        "add r10, r1, #4\n"
        "1:\n\t"
        "ldrb r7, [r3], #1\n\t"
        "ldr r8, [r0], #4\n\t"
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
        "smmul r8, r8, r5\n\t"
        "asrs r8, r8, r4\n\t" /* the last bit shifted out is the carry */
        "adc r8, r8, #0\n\t"
        "cmp r8, r11\n\t"
        "it lt\n\t"
        "movlt r8, r11\n\t"
        "cmp r8, r12\n\t"
        "it gt\n\t"
        "movgt r8, r12\n\t"
        "strh r8, [r2], #2\n\t"
        "cmp r2, lr\n\t"
        "bne 1b\n\t"
        "pop {r4-r11, pc}\n");
}

#else

static uint32_t dot(uint32_t sum, const uint32_t *words, const uint8_t *columns, uint32_t blocks, const int16_t *x) {
    for (; blocks > 0; blocks--) {
        const int16_t *at = x + 2u * *columns++;
        sum += (uint32_t)(edgekd_byte(*words, 0) * at[0] + edgekd_byte(*words, 2) * at[1]);
        sum += (uint32_t)(edgekd_byte(*words, 1) * at[2] + edgekd_byte(*words, 3) * at[3]);
        words++;
    }
    return sum;
}

void edgekd_block_sparse_s16(const edgekd_block_sparse *layer, const void *x, void *y) {
    const uint32_t *words = layer->packed_weights;
    const uint8_t *columns = layer->columns;
    int16_t *out = (int16_t *)y;
    uint32_t row;
    for (row = 0; row < layer->outputs; row++) {
        const uint32_t blocks = *columns++;
        const uint32_t sum = dot(words[0], words + 1, columns, blocks, (const int16_t *)x);
        const int32_t scaled = (int32_t)(((int64_t)(int32_t)sum * (int32_t)words[1 + blocks]) >> 32);
        const uint32_t shift = columns[blocks];
        const int32_t rounded = (scaled + (int32_t)(1u << (shift - 1u))) >> shift;
        out[row] = (int16_t)edgekd_clamp(rounded, layer->low, layer->high);
        words += 2u + blocks;
        columns += 1u + blocks;
    }
}

#endif
