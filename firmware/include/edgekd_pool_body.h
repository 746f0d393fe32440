/* SPDX-License-Identifier: Apache-2.0 */
/* POOL: windows over images of ELEMENT, each of which `pool` of the including file makes one place of y of. */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* The part of a window that lies inside of x. */
typedef struct {
    const ELEMENT *first;
    uint32_t rows, columns;
    uint32_t line, step; /* elements from one row to the next, from one column to the next */
} window;

/* How many of `size` places from `first` lie in [0, limit); the first of them in *first. */
static uint32_t inside(int32_t *first, uint32_t size, uint32_t limit) {
    const int32_t end = *first + (int32_t)size;
    *first = *first < 0 ? 0 : *first;
    return (uint32_t)((end < (int32_t)limit ? end : (int32_t)limit) - *first);
}

static window window_at(const edgekd_pool_2d *layer, const ELEMENT *x, uint32_t i, uint32_t j) {
    int32_t row = (int32_t)(i * layer->stride_height) - (int32_t)layer->top;
    int32_t column = (int32_t)(j * layer->stride_width) - (int32_t)layer->left;
    window part;
    part.rows = inside(&row, layer->kernel_height, layer->height);
    part.columns = inside(&column, layer->kernel_width, layer->width);
    part.line = layer->width * layer->channels;
    part.step = layer->channels;
    part.first = x + (uint32_t)row * part.line + (uint32_t)column * part.step;
    return part;
}

static void pool(const edgekd_pool_2d *layer, const window *part, ELEMENT *y);

void POOL(const edgekd_pool_2d *layer, const ELEMENT *x, ELEMENT *y) {
    uint32_t i, j;
    for (i = 0; i < layer->out_height; i++) {
        for (j = 0; j < layer->out_width; j++, y += layer->channels) {
            const window part = window_at(layer, x, i, j);
            pool(layer, &part, y);
        }
    }
}
