/* Windows over images of ELEMENT, for the pooling kernels of both types. */
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
    window found;
    found.rows = inside(&row, layer->kernel_height, layer->height);
    found.columns = inside(&column, layer->kernel_width, layer->width);
    found.line = layer->width * layer->channels;
    found.step = layer->channels;
    found.first = x + (uint32_t)row * found.line + (uint32_t)column * found.step;
    return found;
}
