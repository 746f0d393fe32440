#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* The part of a window from (row, column), which may wrap below 0, that lies inside of x: of one channel. */
static int32_t average(const edgekd_pool_2d *layer, const int16_t *x, uint32_t row, uint32_t column) {
    int32_t sum = 0;
    int32_t count = 0;
    uint32_t i, j;
    for (i = row; i != row + layer->kernel_height; i++) {
        for (j = column; j != column + layer->kernel_width; j++) {
            if (i < layer->height && j < layer->width) {
                sum += x[(i * layer->width + j) * layer->channels];
                count++;
            }
        }
    }
    return (sum < 0 ? sum - count / 2 : sum + count / 2) / count; /* C rounds to zero */
}

void edgekd_average_pool_s16(const edgekd_pool_2d *layer, const int16_t *x, int16_t *y) {
    uint32_t i, j, channel;
    for (i = 0; i < layer->out_height; i++) {
        const uint32_t row = i * layer->stride_height - layer->top;
        for (j = 0; j < layer->out_width; j++) {
            const uint32_t column = j * layer->stride_width - layer->left;
            for (channel = 0; channel < layer->channels; channel++) {
                const int32_t found = average(layer, x + channel, row, column);
                *y++ = (int16_t)edgekd_clamp(found, layer->low, layer->high);
            }
        }
    }
}
