/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of integer networks, equal to TFLite-Micro to the last bit. None has state, takes memory from a heap or
 * needs a library; layers are constants that stay in flash. Layouts of `packed_weights` are those of
 * edgekd/program/lowering.
 */
#ifndef EDGEKD_KERNELS_H
#define EDGEKD_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of weights, one per output. */
typedef struct {
    const uint32_t *packed_weights; /* biases, weights and scales of four rows after another, as the kernel reads them */
    uint32_t inputs, outputs;
    int32_t output_zero_point;
    uint32_t low, high; /* limits of the result, repeated in every byte (int8) or half (int16) of the word */
} edgekd_fully_connected;

/**
 * Fully connected layers: y = clamp(zero + scale * (bias + weights x)), the zero point of x is part of the biases.
 * @param layer  read only, may live in flash
 * @param x      [layer->inputs], readable up to a multiple of 4 elements; any address that its type may have
 * @param y      [layer->outputs], must not overlap x
 *
 *   s8       int8 in and out, int8 weights in [-127, 127], sums in 24 bits, scales below 1/2
 *   s8_s32acc  the same with any weights, sums and scales that TFLite takes
 *   s4       int8 in and out, int4 weights, scales below 1/2
 *   s16      int16 in and out, int8 weights, sums in 32 bits, scales below 1/4
 *   s16_s64acc the same with sums in 64 bits, and any scale
 *
 * Stack on a core with DSP instructions: 68 bytes (s8, s4), 64 (s16), up to 120 (others); without: up to 120.
 */
void edgekd_fully_connected_s8(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s8_s32acc(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s4(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s16(const edgekd_fully_connected *layer, const void *x, void *y);
void edgekd_fully_connected_s16_s64acc(const edgekd_fully_connected *layer, const void *x, void *y);

/* Rows of weights of which only blocks of four neighbors are stored that are not all zero. */
typedef struct {
    const uint32_t *packed_weights; /* of each row: bias, four weights per block, scale */
    const uint8_t *columns; /* of each row: number of blocks, at least 1; the word of x where each begins; a shift */
    uint32_t outputs;
    int32_t output_zero_point, low, high; /* low, high: limits of the result */
} edgekd_block_sparse;

/**
 * Fully connected layers whose weights are zero in blocks: the same result as edgekd_fully_connected of the same type,
 * for what that kernel takes.
 * @param layer  read only, may live in flash
 * @param x      readable to the end of every word that has an input in it; any address that its type may have
 * @param y      [layer->outputs], must not overlap x
 * Stack on a core with DSP instructions: 36 bytes; without: up to 80.
 */
void edgekd_block_sparse_s8(const edgekd_block_sparse *layer, const void *x, void *y);
void edgekd_block_sparse_s16(const edgekd_block_sparse *layer, const void *x, void *y);

/**
 * One place of a depthwise convolution, int8: channel by channel, y[c] from x[t][c] with weights [t][c]. Scales
 * are below 1/2.
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

/* Types of integers. */
typedef enum { EDGEKD_INT8, EDGEKD_UINT8, EDGEKD_INT16 } edgekd_type;

/* Real numbers to integers, or back: real = scale * (integer - zero_point), integers from low to high. */
typedef struct {
    float scale;
    int32_t zero_point, low, high;
    edgekd_type type; /* of the integers */
    uint32_t count;
} edgekd_conversion;

/** Nearest integers, halves away from zero, saturated; NaN gives low. @param x  [count]  @param y  [count] */
void edgekd_quantize_floats(const edgekd_conversion *layer, const float *x, void *y);

/** Real numbers of integers. @param x  [count]  @param y  [count] */
void edgekd_dequantize_to_floats(const edgekd_conversion *layer, const void *x, float *y);

/** Copy bytes; x and y must not overlap. Stack: none. */
void edgekd_copy(const void *x, void *y, uint32_t bytes);

/* Runs of bytes along four axes, whose strides and starts are in bytes. */
typedef struct {
    int32_t sizes[4];
    int32_t x_strides[4], y_strides[4];
    uint32_t x_start, y_start;
    uint32_t bytes; /* of one run */
} edgekd_strides;

/** Copy a part of x to a part of y; they must not overlap. Stack: up to 60 bytes. */
void edgekd_copy_strided(const edgekd_strides *layer, const void *x, void *y);

/* Sums over up to two axes. Strides are in elements. */
typedef struct {
    int32_t kept[3], kept_strides[3];
    int32_t summed[2], summed_strides[2];
    int32_t offset; /* of each sum: the zero points of its elements */
    int32_t multiplier, shift; /* scale = multiplier / 2^31 * 2^shift, multiplier >= 0 */
    int32_t output_zero_point;
} edgekd_sum;

/**
 * SUM and MEAN. @param x  of the layer's type, any address that it may have  @param y  must not overlap x
 * Stack: up to 130 bytes.
 */
void edgekd_sum_s8(const edgekd_sum *layer, const int8_t *x, int8_t *y);
void edgekd_sum_s16(const edgekd_sum *layer, const int16_t *x, int16_t *y);

/* The largest or smallest along up to two axes. Strides are in elements. */
typedef struct {
    int32_t kept[3], kept_strides[3];
    int32_t reduced[2], reduced_strides[2];
    uint32_t largest; /* 0: the smallest */
} edgekd_extreme;

/** REDUCE_MAX and REDUCE_MIN. @param y  must not overlap x. Stack: up to 80 bytes. */
void edgekd_extreme_s8(const edgekd_extreme *layer, const int8_t *x, int8_t *y);

typedef struct {
    uint32_t outer, size, inner; /* of x: the axis that is looked along has `size` places */
    uint32_t largest;            /* 0: the smallest */
} edgekd_arg_extreme;

/** ARG_MAX and ARG_MIN: the first place of it. @param x  [outer, size, inner]  @param y  [outer, inner] */
void edgekd_arg_extreme_s8(const edgekd_arg_extreme *layer, const int8_t *x, int32_t *y);

/* Windows over an image [height, width, channels]; places outside of it do not count. */
typedef struct {
    uint32_t height, width, channels;
    uint32_t out_height, out_width;
    uint32_t kernel_height, kernel_width, stride_height, stride_width;
    uint32_t top, left; /* rows and columns of padding before x */
    int32_t low, high; /* limits of the result */
} edgekd_pool_2d;

/**
 * Pooling, channel by channel. @param x  [height, width, channels]  @param y  [out_height, out_width, channels], must
 * not overlap x. Stack: up to 110 bytes.
 */
void edgekd_average_pool_s8(const edgekd_pool_2d *layer, const int8_t *x, int8_t *y);
void edgekd_average_pool_s16(const edgekd_pool_2d *layer, const int16_t *x, int16_t *y);
void edgekd_max_pool_s8(const edgekd_pool_2d *layer, const int8_t *x, int8_t *y);
void edgekd_max_pool_s16(const edgekd_pool_2d *layer, const int16_t *x, int16_t *y);

/* A gate of an LSTM: two fully connected layers, whose sums are brought to units of 2^-12. */
typedef struct {
    const uint32_t *input_weights, *recurrent_weights; /* of four rows after another: biases, four inputs of each row */
    int32_t input_fraction, input_shift;               /* s8: as edgekd_requantize takes them; */
    int32_t recurrent_fraction, recurrent_shift;       /* s16: multiplier and shift to the right */
} edgekd_lstm_gate;

typedef struct {
    edgekd_lstm_gate gates[4]; /* input, forget, cell, output */
    uint32_t steps, inputs, units;
    int32_t forget_fraction, forget_shift, update_fraction, update_shift, hidden_fraction, hidden_shift;
    int32_t hidden_zero_point;
    int32_t cell_clip; /* 0: none */
    int32_t tanh_multiplier;
    uint32_t tanh_shift;
} edgekd_lstm;

/**
 * LSTM over a sequence, from states of zero.
 * @param x        [steps, inputs], nothing behind it is read
 * @param scratch  [6 * units]
 * @param y        [steps, units]: the hidden state after each step; must not overlap the others
 * Stack: up to 200 bytes.
 */
void edgekd_lstm_s8(const edgekd_lstm *layer, const int8_t *x, int16_t *scratch, int8_t *y);
void edgekd_lstm_s16(const edgekd_lstm *layer, const int16_t *x, int16_t *scratch, int16_t *y);

typedef struct {
    const int32_t *exponentials; /* exp(-scale * d) in Q0.31 for d = 0 ... entries - 1; 0 from there on */
    uint32_t entries;
    uint32_t rows, size; /* of x: so many rows, each of which sums to 1 */
    uint32_t bits; /* of y: 8 or 16 */
} edgekd_softmax;

/**
 * SOFTMAX of int8. @param x  int8 [rows, size]  @param y  int8 or int16 (bits) [rows, size], must not overlap x
 * Stack: up to 80 bytes.
 */
void edgekd_softmax_s8(const edgekd_softmax *layer, const int8_t *x, void *y);

typedef struct {
    const int16_t *exponentials, *reciprocals; /* exp on [-10, 0] and 1 / (1 + x) on [0, 1], 513 entries in Q0.15 */
    uint32_t rows, size;
    int32_t fraction, shift; /* from differences of x to units of 10 / 65535, as edgekd_requantize takes them */
} edgekd_softmax_tables;

/** SOFTMAX of int16. @param x  [rows, size]  @param y  [rows, size], must not overlap x. Stack: up to 60 bytes. */
void edgekd_softmax_s16(const edgekd_softmax_tables *layer, const int16_t *x, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
