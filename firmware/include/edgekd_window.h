/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preprocessing: raw samples in physical units -> features of the network, and its output -> a forecast.
 *
 * The operations of edgekd/data/preprocess.py in the same order, in float32, each rounded once: features are equal to
 * those of training to the last bit (but for the sign of a zero). Holds whatever the compiler's options say about
 * contraction, fast math and the sign of char.
 *
 * F inputs, T samples per window, p samples per patch, k samples of the recent level. Memory is the caller's: constants
 * may live in flash, `ring` is float[T * F]. No heap, no libm, no static state; at most 200 bytes of stack per call on
 * a Cortex-M4, 300 on a core without an FPU.
 *
 *     edgekd_window_push(&config, &window, ring, sample);
 *     if (edgekd_window_ready(&config, &window)) {
 *         edgekd_window_level(&config, &window, ring, scratch, level);
 *         edgekd_window_patch(&config, &window, ring, n, x);      for n = 0 .. T / p - 1, the oldest first
 *         edgekd_window_relative(&config, level, x);              x is relative[n]
 *         edgekd_window_standardize(&config, level, features);
 *         forecast = edgekd_window_forecast(&config, level, y);   for each output y of the network
 *     }
 */
#ifndef EDGEKD_WINDOW_H
#define EDGEKD_WINDOW_H

#include <stdint.h>

#include "edgekd_quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Constants of one input column. */
typedef struct {
    float scale;       /* raw * scale is what all others refer to */
    float clean_limit; /* a sample further than this from the median of five is replaced by it */
    float gain;        /* patch means relative to the level are multiplied by it */
    float level_mean;
    float level_gain;
} edgekd_column;

/* Constants of the preprocessing. */
typedef struct {
    const edgekd_column *columns; /* [inputs] */
    uint32_t inputs;              /* F */
    uint32_t length;              /* T, at least 5; T * F below 2^31 */
    uint32_t patch;               /* p, divides T */
    uint32_t level;               /* k, odd, at most T */
    float patch_scale;            /* 1 / p */
    int32_t target_column;        /* column whose level the forecast starts from, -1: target_mean */
    float target_mean;
    float target_gain;
} edgekd_window_config;

/* Where the ring stands. Zero until edgekd_window_init. */
typedef struct {
    uint32_t newest; /* row of the ring that was written last */
    uint32_t filled; /* samples accepted so far, at most T */
} edgekd_window;

/** Forget all samples. ring float[T * F], of which only one row is written. */
void edgekd_window_init(const edgekd_window_config *config, edgekd_window *window, float *ring);

/**
 * Take one sample, float[F] in physical units.
 * A value that is not finite is replaced by the last finite one of its column; until every column has had a finite
 * value, samples do not count.
 */
void edgekd_window_push(const edgekd_window_config *config, edgekd_window *window, float *ring, const float *sample);

/** Whether T samples are there: 1 or 0. Before that, the functions below must not be called. */
int edgekd_window_ready(const edgekd_window_config *config, const edgekd_window *window);

/** Recent level of every column: median of the last k cleaned samples. scratch float[k]; level float[F] is written. */
void edgekd_window_level(const edgekd_window_config *config, const edgekd_window *window, const float *ring,
                         float *scratch, float *level);

/** Mean of the p cleaned samples of patch n of every column; n = 0 is the oldest. mean float[F] is written. */
void edgekd_window_patch(const edgekd_window_config *config, const edgekd_window *window, const float *ring, uint32_t n,
                         float *mean);

/** Patch means, float[F] -> features relative to a reference float[F], the level or constants, in place. */
void edgekd_window_relative(const edgekd_window_config *config, const float *reference, float *mean);

/** Level, float[F] -> features of the level, float[F]. features may be level. */
void edgekd_window_standardize(const edgekd_window_config *config, const float *level, float *features);

/** Forecast of one output of the network, y, in the target's unit. */
float edgekd_window_forecast(const edgekd_window_config *config, const float *level, float y);

#ifdef __cplusplus
}
#endif

#endif
