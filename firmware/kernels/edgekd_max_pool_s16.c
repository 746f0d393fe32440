#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* The part of a window that lies inside of x. */
typedef struct {
    const int16_t *first;
    uint32_t rows, columns;
    uint32_t line, step; /* elements from one row to the next, from one column to the next */
} window;

/* How many of `size` places from `first` lie in [0, limit); the first of them in *first. */
static uint32_t inside(int32_t *first, uint32_t size, uint32_t limit) {
    const int32_t end = *first + (int32_t)size;
    *first = *first < 0 ? 0 : *first;
    return (uint32_t)((end < (int32_t)limit ? end : (int32_t)limit) - *first);
}

static window window_at(const edgekd_pool_2d *layer, const int16_t *x, uint32_t i, uint32_t j) {
    int32_t row = (int32_t)(i * layer->stride_height) - (int32_t)layer->top;
    int32_t column = (int32_t)(j * layer->stride_width) - (int32_t)layer->left;
    window found;
    found.rows = inside(&row, layer->kernel_height, layer->height);
    found.columns = inside(&column, layer->kernel_width, layer->width);
    found.line = layer->width * layer->channels;
    found.step = layer->channels;
    found.first = x + (uint32_t)row * found.line + (uint32_t)column * found.step;
    return found;
}

/* The largest of a channel. */
static int32_t largest(const window *part, uint32_t channel) {
    const int16_t *line = part->first + channel;
    int32_t found = -32768;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const int16_t *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            found = *at > found ? *at : found;
        }
    }
    return found;
}

static void pool(const edgekd_pool_2d *layer, const window *part, int16_t *y) {
    uint32_t channel = 0;
    for (; channel < layer->channels; channel++) {
        y[channel] = (int16_t)edgekd_clamp(largest(part, channel), layer->low, layer->high);
    }
}

void edgekd_max_pool_s16(const edgekd_pool_2d *layer, const int16_t *x, int16_t *y) {
    uint32_t i, j;
    for (i = 0; i < layer->out_height; i++) {
        for (j = 0; j < layer->out_width; j++, y += layer->channels) {
            const window part = window_at(layer, x, i, j);
            pool(layer, &part, y);
        }
    }
}
