/* The preprocessing over random sizes in memory of exactly these sizes, for the sanitizers to watch. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekd_window.h"

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below) {
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

static float any_float(void) {
    uint32_t bits = draw(1u << 16) << 16 | draw(1u << 16);
    float value;
    memcpy(&value, &bits, sizeof value);
    return draw(2) ? value : (float)draw(1000) * 0.01f;
}

static float *floats(uint32_t count) {
    float *memory = (float *)malloc(count * sizeof(float));
    uint32_t i;
    for (i = 0; i < count; i++) {
        memory[i] = any_float();
    }
    return memory;
}

static void once(void) {
    const uint32_t inputs = 1u + draw(4), patch = 1u + draw(9), steps = 1u + draw(9) + 4u / patch;
    const uint32_t length = patch * steps, level = 1u + 2u * draw((length + 1u) / 2u);
    edgekd_window_config config = {0, 0, 0, 0, 0, 0, -1, 0, 1};
    edgekd_column *columns = (edgekd_column *)floats(5u * inputs);
    float *ring = floats(length * inputs), *sample = floats(inputs), *scratch = floats(level);
    float *levels = floats(inputs), *x = floats(inputs);
    edgekd_quant_params grid = {0.5f, 2.0f, 0, -128, 127};
    edgekd_window window;
    uint32_t i, n;
    config.columns = columns;
    config.inputs = inputs;
    config.length = length;
    config.patch = patch;
    config.level = level;
    config.patch_scale = 1.0f / (float)patch;
    config.target_column = (int32_t)draw(inputs + 1u) - 1;
    edgekd_window_init(&config, &window, ring);
    for (i = 0; i < 3u * length; i++) {
        for (n = 0; n < inputs; n++) {
            sample[n] = any_float();
        }
        edgekd_window_push(&config, &window, ring, sample);
        if (!edgekd_window_ready(&config, &window)) {
            continue;
        }
        edgekd_window_level(&config, &window, ring, scratch, levels);
        for (n = 0; n < steps; n++) {
            edgekd_window_patch(&config, &window, ring, n, x);
            edgekd_window_relative(&config, levels, x);
        }
        edgekd_window_standardize(&config, levels, x);
        grid.zero_point = edgekd_quantize(&grid, any_float());
        (void)edgekd_window_forecast(&config, levels, edgekd_dequantize(&grid, edgekd_quantize(&grid, any_float())));
    }
    free(columns);
    free(ring);
    free(sample);
    free(scratch);
    free(levels);
    free(x);
}

int main(void) {
    int i;
    for (i = 0; i < 300; i++) {
        once();
    }
    puts("300 configurations");
    return 0;
}
