/*
 * Kernels of integer networks, equal to TFLite-Micro to the last bit. None has state, takes memory from a heap or
 * needs a library; layers are constants that stay in flash. Layouts of `words` are those of edgekd/codegen.
 */
#ifndef EDGEKD_KERNELS_H
#define EDGEKD_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of weights, one per output. */
typedef struct {
    const uint32_t *words; /* biases, weights and scales of four rows after another, as the kernel reads them */
    uint32_t inputs, outputs;
    int32_t y_zero;
    uint32_t low, high; /* limits of the result, repeated in every byte (int8) or half (int16) of the word */
} edgekd_fully_connected;

/**
 * Fully connected layers: y = clamp(zero + scale * (bias + weights x)), the zero point of x is part of the biases.
 * @param layer  read only, may live in flash
 * @param x      [layer->inputs], readable up to a multiple of 4 elements; any address that its type may have
 * @param y      [layer->outputs], must not overlap x
 *
 *   s8       int8 in and out, int8 weights in [-127, 127], sums in 24 bits, scales below 1/2
 *   s8_wide  the same with any weights, sums and scales that TFLite takes
 *   s4       int8 in and out, int4 weights
 *   s16      int16 in and out, int8 weights, sums in 32 bits, scales below 1/4
 *   s16_wide the same with sums in 64 bits, and any scale
 *
 * Stack: 68 bytes (s8), up to 120 bytes (others).
 */
void edgekd_fully_connected_s8(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s8_wide(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s4(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s16(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s16_wide(const edgekd_fully_connected *layer, const void *x, void *y);

/**
 * One place of a depthwise convolution, int8: channel by channel, y[c] from x[t][c] with weights [t][c].
 * @param layer  inputs: places t of the window; outputs: channels c
 * @param x      int8 [inputs, outputs], readable 3 bytes further
 * @param y      int8 [outputs], must not overlap x
 * Stack: up to 80 bytes.
 */
void edgekd_depthwise_s8(const edgekd_fully_connected *layer, const void *x, void *y);

/* Windows over an image, of which each goes through the same rows. Sizes along channels are in bytes. */
typedef struct {
    edgekd_fully_connected rows; /* of the first group of channels */
    void (*kernel)(const edgekd_fully_connected *layer, const void *x, void *y);
    uint32_t height, width, channels; /* of x */
    uint32_t out_height, out_width;
    uint32_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
    uint32_t top, left; /* rows and columns of padding before x */
    uint32_t padding; /* the byte that stands outside of x */
    uint32_t groups, group_channels, group_outputs, group_words; /* group_words: from one group to the next */
} edgekd_conv_2d;

/**
 * Convolution, grouped or depthwise; also a fully connected layer over several rows of inputs.
 * @param layer    read only, may live in flash
 * @param x        [height, width, channels], nothing behind it is read
 * @param scratch  kernel_height * kernel_width * group_channels + 3 bytes, aligned as the elements of x are
 * @param y        [out_height, out_width, groups, group_outputs], must not overlap the others
 * Stack: up to 140 bytes, and that of layer->kernel.
 */
void edgekd_conv_2d_run(const edgekd_conv_2d *layer, const void *x, void *scratch, void *y);

/** Copy bytes; x and y must not overlap. */
void edgekd_copy(const void *x, void *y, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
