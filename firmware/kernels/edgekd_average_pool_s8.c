#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* The part of a window that lies inside of x. */
typedef struct {
    const int8_t *first;
    uint32_t rows, columns;
    uint32_t line, step; /* elements from one row to the next, from one column to the next */
} window;

/* How many of `size` places from `first` lie in [0, limit); the first of them in *first. */
static uint32_t inside(int32_t *first, uint32_t size, uint32_t limit) {
    const int32_t end = *first + (int32_t)size;
    *first = *first < 0 ? 0 : *first;
    return (uint32_t)((end < (int32_t)limit ? end : (int32_t)limit) - *first);
}

static window window_at(const edgekd_pool_2d *layer, const int8_t *x, uint32_t i, uint32_t j) {
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

/* Rounded half away from zero. */
static int32_t mean(int32_t sum, int32_t count) {
    return (sum < 0 ? sum - count / 2 : sum + count / 2) / count; /* C rounds to zero */
}

/* The mean of a channel. */
static int32_t average(const window *part, uint32_t channel) {
    const int8_t *line = part->first + channel;
    int32_t sum = 0;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const int8_t *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            sum += *at;
        }
    }
    return mean(sum, (int32_t)(part->rows * part->columns));
}

#if EDGEKD_DSP
#define MOST_PLACES 255u /* whose sum of int8 fits a half */

/* The means of four channels, of which channels 0 and 2 and channels 1 and 3 are summed as halves of a word. */
static void average_of_four(const window *part, uint32_t channel, const edgekd_pool_2d *layer, int8_t *y) {
    const int8_t *line = part->first + channel;
    const int32_t count = (int32_t)(part->rows * part->columns);
    uint32_t even = 0;
    uint32_t odd = 0;
    uint32_t i, j;
    for (i = 0; i < part->rows; i++, line += part->line) {
        const int8_t *at = line;
        for (j = 0; j < part->columns; j++, at += part->step) {
            const uint32_t word = edgekd_word(at);
            even = edgekd_add_even_bytes(word, even);
            odd = edgekd_add_odd_bytes(word, odd);
        }
    }
    y[0] = (int8_t)edgekd_clamp(mean(edgekd_half(even, 0), count), layer->low, layer->high);
    y[1] = (int8_t)edgekd_clamp(mean(edgekd_half(odd, 0), count), layer->low, layer->high);
    y[2] = (int8_t)edgekd_clamp(mean(edgekd_half(even, 1), count), layer->low, layer->high);
    y[3] = (int8_t)edgekd_clamp(mean(edgekd_half(odd, 1), count), layer->low, layer->high);
}
#endif

static void pool(const edgekd_pool_2d *layer, const window *part, int8_t *y) {
    uint32_t channel = 0;
#if EDGEKD_DSP
    for (; part->rows * part->columns <= MOST_PLACES && channel + 4u <= layer->channels; channel += 4u) {
        average_of_four(part, channel, layer, y + channel);
    }
#endif
    for (; channel < layer->channels; channel++) {
        y[channel] = (int8_t)edgekd_clamp(average(part, channel), layer->low, layer->high);
    }
}

void edgekd_average_pool_s8(const edgekd_pool_2d *layer, const int8_t *x, int8_t *y) {
    uint32_t i, j;
    for (i = 0; i < layer->out_height; i++) {
        for (j = 0; j < layer->out_width; j++, y += layer->channels) {
            const window part = window_at(layer, x, i, j);
            pool(layer, &part, y);
        }
    }
}
