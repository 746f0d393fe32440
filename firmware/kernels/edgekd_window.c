/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_float.h"
#include "edgekd_window.h"

#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2") /* Arduino compiles for size */
#endif

#define CLEAN_WIDTH 5u

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* By its bits: with fast math the compiler takes every number to be finite. */
static inline int is_finite(float value) { return (bits_of(value) & 0x7F800000u) != 0x7F800000u; }

/*
 * Integers that are ordered like the numbers they stand for: minimum and maximum of integers are far cheaper on a
 * Cortex-M than those of floats, and without an FPU by a factor of ten.
 */
static inline int32_t key_of(float value) {
    uint32_t bits = bits_of(value);
    return (int32_t)((bits >> 31) != 0u ? bits ^ 0x7FFFFFFFu : bits);
}

static inline float value_of(int32_t key) {
    uint32_t bits = key < 0 ? (uint32_t)key ^ 0x7FFFFFFFu : (uint32_t)key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

static inline int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/* Samples of one column: `count` of them from time `first` on. */
typedef struct {
    uint32_t column;
    uint32_t first;
    uint32_t count;
} span;

/* Five consecutive scaled samples of one column, and where the next one is. */
typedef struct {
    const float *ring;
    uint32_t size;   /* floats in the ring */
    uint32_t stride; /* floats from one sample to the next */
    uint32_t at;
    float scale;
    float v0, v1, v2, v3, v4;
} five;

static inline void slide(five *w) {
    w->v0 = w->v1;
    w->v1 = w->v2;
    w->v2 = w->v3;
    w->v3 = w->v4;
    w->v4 = edgekd_product(w->ring[w->at], w->scale);
    w->at += w->stride;
    if (w->at >= w->size) {
        w->at -= w->size;
    }
}

static inline float median(const five *w) {
    int32_t a = key_of(w->v0), b = key_of(w->v1), c = key_of(w->v2), d = key_of(w->v3);
    int32_t low = most(least(a, b), least(c, d));
    int32_t high = least(most(a, b), most(c, d));
    return value_of(most(least(low, high), least(most(low, high), key_of(w->v4))));
}

/* One of the five; the middle one but for the two samples at each end of the window. */
static inline float pick(const five *w, uint32_t i) {
    if (i == 2u) {
        return w->v2;
    }
    return i < 2u ? (i == 0u ? w->v0 : w->v1) : (i == 3u ? w->v3 : w->v4);
}

/* Whether two numbers are further apart than the limit, given by its bits: those of numbers from 0 on are ordered. */
static inline int apart(float a, float b, int32_t limit) { return (int32_t)(bits_of(a - b) & 0x7FFFFFFFu) > limit; }

/* The i-th of the five, or their median where the two are too far apart. */
static inline float cleaned(const five *w, uint32_t i, int32_t limit) {
    float value, middle;
    /* Most samples end here: where three of five are this close together, so is the median, which is among them. */
    if (i == 2u && !apart(w->v2, w->v1, limit) && !apart(w->v2, w->v3, limit)) {
        return w->v2;
    }
    value = pick(w, i);
    middle = median(w);
    return apart(value, middle, limit) ? middle : value;
}

static void insert(float *sorted, uint32_t count, float value) {
    for (; count > 0u && sorted[count - 1u] > value; count--) {
        sorted[count] = sorted[count - 1u];
    }
    sorted[count] = value;
}

/*
 * Sum of the cleaned samples of a span, from the oldest; or, where `sorted` is given, these samples in rising order.
 * One function for both, so that the registers hold what slides and the flash holds it once.
 */
static float gather(const edgekd_window_config *config, const edgekd_window *window, const float *ring, span s,
                    float *sorted) {
    const edgekd_column *column = &config->columns[s.column];
    const int32_t limit = (int32_t)bits_of(column->clean_limit);
    const uint32_t last = config->length - CLEAN_WIDTH;
    uint32_t first = s.first < 2u ? 0u : s.first - 2u; /* of the five: two before the sample, but for the ends */
    uint32_t row, i;
    float sum = 0.0f;
    five w = {0, 0, 0, 0, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    first = first < last ? first : last;
    row = window->newest + 1u + first;
    while (row >= config->length) {
        row -= config->length;
    }
    w.ring = ring;
    w.size = config->length * config->inputs;
    w.stride = config->inputs;
    w.at = row * config->inputs + s.column;
    w.scale = column->scale;
    for (i = 0; i < CLEAN_WIDTH; i++) {
        slide(&w);
    }
    for (i = 0; i < s.count; i++) {
        uint32_t t = s.first + i;
        float value;
        if (t > first + 2u && first < last) {
            first++;
            slide(&w);
        }
        value = cleaned(&w, t - first, limit);
        if (sorted != 0) {
            insert(sorted, i, value);
        } else {
            sum = i == 0u ? value : sum + value;
        }
    }
    return sum;
}

void edgekd_window_init(const edgekd_window_config *config, edgekd_window *window, float *ring) {
    const uint32_t nan = 0x7FC00000u;
    uint32_t f;
    window->newest = 0;
    window->filled = 0;
    for (f = 0; f < config->inputs; f++) {
        memcpy(&ring[f], &nan, sizeof nan);
    }
}

void edgekd_window_push(const edgekd_window_config *config, edgekd_window *window, float *ring, const float *sample) {
    const float *previous = ring + window->newest * config->inputs;
    uint32_t row = window->newest;
    uint32_t f;
    int whole = 1;
    float *to;
    /* Before the first whole sample, the row that is there collects the finite values seen so far. */
    if (window->filled > 0u) {
        row = row + 1u < config->length ? row + 1u : 0u;
    }
    to = ring + row * config->inputs;
    for (f = 0; f < config->inputs; f++) {
        const float *from = is_finite(sample[f]) ? &sample[f] : &previous[f];
        whole &= is_finite(*from);
        memcpy(&to[f], from, sizeof *to);
    }
    if (whole != 0) {
        window->newest = row;
        window->filled += window->filled < config->length ? 1u : 0u;
    }
}

int edgekd_window_ready(const edgekd_window_config *config, const edgekd_window *window) {
    return window->filled >= config->length ? 1 : 0;
}

void edgekd_window_level(const edgekd_window_config *config, const edgekd_window *window, const float *ring,
                         float *scratch, float *level) {
    span recent;
    recent.first = config->length - config->level;
    recent.count = config->level;
    for (recent.column = 0; recent.column < config->inputs; recent.column++) {
        (void)gather(config, window, ring, recent, scratch);
        level[recent.column] = scratch[config->level / 2u];
    }
}

void edgekd_window_patch(const edgekd_window_config *config, const edgekd_window *window, const float *ring, uint32_t n,
                         float *mean) {
    span patch;
    patch.first = n * config->patch;
    patch.count = config->patch;
    for (patch.column = 0; patch.column < config->inputs; patch.column++) {
        mean[patch.column] = edgekd_product(gather(config, window, ring, patch, 0), config->patch_scale);
    }
}

void edgekd_window_relative(const edgekd_window_config *config, const float *reference, float *mean) {
    uint32_t f;
    for (f = 0; f < config->inputs; f++) {
        mean[f] = edgekd_product(mean[f] - reference[f], config->columns[f].gain);
    }
}

void edgekd_window_standardize(const edgekd_window_config *config, const float *level, float *features) {
    uint32_t f;
    for (f = 0; f < config->inputs; f++) {
        features[f] = edgekd_product(level[f] - config->columns[f].level_mean, config->columns[f].level_gain);
    }
}

float edgekd_window_forecast(const edgekd_window_config *config, const float *level, float y) {
    float anchor_value = config->target_column >= 0 ? level[config->target_column] : config->target_mean;
    return anchor_value + edgekd_product(y, config->target_gain);
}
