/* What the tests of edgekd_window.c call: plain arrays instead of structs. */
#include "edgekd_window.h"

int window_features(const float *columns, const int32_t *sizes, const float *samples, float *memory, float *features);
void window_forecast(const float *constants, int32_t target_column, const float *y, float *forecast, int32_t count);
void window_grid(const float *scale, const int32_t *limits, const float *real, int32_t *integers, float *back);

/*
 * columns [F, 5] in the order of edgekd_column; sizes F, T, p, k, number of samples; samples [count, F];
 * memory float[T * F + k]; features: relative [T / p, F], level [F] standardized and raw. Returns whether
 * the window is full.
 */
int window_features(const float *columns, const int32_t *sizes, const float *samples, float *memory, float *features) {
    edgekd_window_config config = {0, 0, 0, 0, 0, 0, -1, 0, 1};
    edgekd_window window;
    float *level;
    uint32_t n;
    int32_t i;
    config.columns = (const edgekd_column *)columns;
    config.inputs = (uint32_t)sizes[0];
    config.length = (uint32_t)sizes[1];
    config.patch = (uint32_t)sizes[2];
    config.level = (uint32_t)sizes[3];
    config.patch_scale = 1.0f / (float)sizes[2];
    edgekd_window_init(&config, &window, memory);
    for (i = 0; i < sizes[4]; i++) {
        edgekd_window_push(&config, &window, memory, samples + (uint32_t)i * config.inputs);
    }
    if (!edgekd_window_ready(&config, &window)) {
        return 0;
    }
    level = features + (config.length / config.patch + 1u) * config.inputs;
    edgekd_window_level(&config, &window, memory, memory + config.length * config.inputs, level);
    for (n = 0; n < config.length / config.patch; n++) {
        edgekd_window_patch(&config, &window, memory, n, features + n * config.inputs);
        edgekd_window_relative(&config, level, features + n * config.inputs);
    }
    edgekd_window_standardize(&config, level, level - config.inputs);
    return 1;
}

/* constants: target_mean, target_gain, then level [F]. */
void window_forecast(const float *constants, int32_t target_column, const float *y, float *forecast, int32_t count) {
    edgekd_window_config config = {0, 1, 5, 1, 1, 1, -1, 0, 1};
    int32_t i;
    config.target_column = target_column;
    config.target_mean = constants[0];
    config.target_gain = constants[1];
    for (i = 0; i < count; i++) {
        forecast[i] = edgekd_window_forecast(&config, constants + 2, y[i]);
    }
}

/* scale and its inverse; limits: zero point, lowest, highest, count. */
void window_grid(const float *scale, const int32_t *limits, const float *real, int32_t *integers, float *back) {
    edgekd_quant_params grid;
    int32_t i;
    grid.scale = scale[0];
    grid.inverse_scale = scale[1];
    grid.zero_point = limits[0];
    grid.low = limits[1];
    grid.high = limits[2];
    for (i = 0; i < limits[3]; i++) {
        integers[i] = edgekd_quantize(&grid, real[i]);
        back[i] = edgekd_dequantize(&grid, integers[i]);
    }
}
