#include "edgekd_window.h"

#include <string.h>

#define CLEAN_WIDTH 5u

/*
 * A product that is rounded to float32 before anything else happens to it.
 * Compilers may otherwise turn a * b + c into one fused operation, which rounds once instead of twice: GCC does by
 * default. The empty assembly costs a register move at most, and cannot be looked through.
 */
static inline float product(float a, float b) {
#if defined(__GNUC__) || defined(__clang__)
    float rounded = a * b;
    __asm__("" : "+r"(rounded));
    return rounded;
#else
    volatile float rounded = a * b;
    return rounded;
#endif
}

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

/* Median of five. */
static inline int32_t middle_of(const int32_t key[CLEAN_WIDTH]) {
    int32_t low = most(least(key[0], key[1]), least(key[2], key[3]));
    int32_t high = least(most(key[0], key[1]), most(key[2], key[3]));
    return most(least(low, high), least(most(low, high), key[4]));
}

/* Cleaned samples of one column from some time t on: the five samples around t slide along with it. */
typedef struct {
    const float *ring;
    uint32_t size;   /* floats in the ring */
    uint32_t stride; /* floats from one sample to the next */
    uint32_t at;     /* the sample after the five */
    uint32_t t;
    uint32_t last; /* start of the last five samples of the window */
    float scale;
    float limit;
    int32_t key[CLEAN_WIDTH];
} walk;

static inline void slide(walk *w) {
    w->key[0] = w->key[1];
    w->key[1] = w->key[2];
    w->key[2] = w->key[3];
    w->key[3] = w->key[4];
    w->key[4] = key_of(product(w->ring[w->at], w->scale));
    w->at += w->stride;
    if (w->at >= w->size) {
        w->at -= w->size;
    }
}

/* First of the five samples around t: two before it, except at the ends of the window. */
static inline uint32_t around(uint32_t t, uint32_t last) {
    uint32_t first = t < 2u ? 0u : t - 2u;
    return first < last ? first : last;
}

static void start(walk *w, const edgekd_window_config *config, const edgekd_window *window, const float *ring,
                  uint32_t column, uint32_t t) {
    uint32_t row = window->newest + 1u;
    uint32_t i;
    w->ring = ring;
    w->size = config->length * config->inputs;
    w->stride = config->inputs;
    w->t = t;
    w->last = config->length - CLEAN_WIDTH;
    w->scale = config->columns[column].scale;
    w->limit = config->columns[column].clean_limit;
    row += around(t, w->last);
    while (row >= config->length) {
        row -= config->length;
    }
    w->at = row * config->inputs + column;
    for (i = 0; i < CLEAN_WIDTH; i++) {
        slide(w);
    }
}

static inline float next(walk *w) {
    uint32_t first = around(w->t, w->last);
    float value = value_of(w->key[w->t - first]);
    float middle = value_of(middle_of(w->key));
    float away = value - middle;
    w->t++;
    if (around(w->t, w->last) != first) {
        slide(w);
    }
    return away > w->limit || -away > w->limit ? middle : value;
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
    uint32_t f, i, j;
    for (f = 0; f < config->inputs; f++) {
        walk w;
        start(&w, config, window, ring, f, config->length - config->level);
        for (i = 0; i < config->level; i++) {
            float value = next(&w);
            for (j = i; j > 0u && scratch[j - 1u] > value; j--) {
                scratch[j] = scratch[j - 1u];
            }
            scratch[j] = value;
        }
        level[f] = scratch[config->level / 2u];
    }
}

void edgekd_window_patch(const edgekd_window_config *config, const edgekd_window *window, const float *ring, uint32_t n,
                         float *mean) {
    uint32_t f, j;
    for (f = 0; f < config->inputs; f++) {
        walk w;
        float sum;
        start(&w, config, window, ring, f, n * config->patch);
        sum = next(&w);
        for (j = 1; j < config->patch; j++) {
            sum += next(&w);
        }
        mean[f] = product(sum, config->patch_scale);
    }
}

void edgekd_window_relative(const edgekd_window_config *config, const float *level, float *mean) {
    uint32_t f;
    for (f = 0; f < config->inputs; f++) {
        mean[f] = product(mean[f] - level[f], config->columns[f].gain);
    }
}

void edgekd_window_standardize(const edgekd_window_config *config, const float *level, float *lvl) {
    uint32_t f;
    for (f = 0; f < config->inputs; f++) {
        lvl[f] = product(level[f] - config->columns[f].level_mean, config->columns[f].level_gain);
    }
}

float edgekd_window_forecast(const edgekd_window_config *config, const float *level, float y) {
    float base = config->anchor >= 0 ? level[config->anchor] : config->target_mean;
    return base + product(y, config->target_gain);
}

int32_t edgekd_quantize(const edgekd_grid *grid, float real) {
    float u = product(real, grid->inverse_scale);
    float nudged = u < 0.0f ? u - 0.5f : u + 0.5f;
    int32_t low = grid->low - grid->zero_point;
    int32_t high = grid->high - grid->zero_point;
    if (nudged >= (float)high) {
        return grid->high;
    }
    return (nudged > (float)low ? (int32_t)nudged : low) + grid->zero_point;
}

float edgekd_dequantize(const edgekd_grid *grid, int32_t integer) {
    return product((float)(integer - grid->zero_point), grid->scale);
}
