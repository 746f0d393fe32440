/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* A window that is one piece of x, with 3 bytes behind it, is read where it is; another is gathered in the scratch. */

static uint8_t *fill(uint8_t *to, uint32_t value, uint32_t bytes) {
    for (; bytes > 0u; bytes--) {
        *to++ = (uint8_t)value;
    }
    return to;
}

/* One line of a window, whose first place is `column`, which may lie before x. `line`: the group's channels in x. */
static uint8_t *gather_line(const edgekd_conv_2d *layer, const uint8_t *line, uint32_t column, uint8_t *to) {
    uint32_t j;
    for (j = 0; j < layer->kernel_width; j++, column += layer->dilation_width) {
        if (column < layer->width) {
            to = edgekd_copy_bytes(line + column * layer->channels, to, layer->group_channels);
        } else {
            to = fill(to, layer->padding, layer->group_channels);
        }
    }
    return to;
}

/* A window of one group of channels from (row, column), which may wrap below 0, into the scratch. */
static void gather(const edgekd_conv_2d *layer, const uint8_t *x, uint32_t row, uint32_t column, uint8_t *to) {
    const uint32_t bytes = layer->kernel_width * layer->group_channels;
    const uint32_t joined = layer->groups == 1u && layer->dilation_width == 1u && column < layer->width &&
                            column + layer->kernel_width <= layer->width;
    uint32_t i;
    for (i = 0; i < layer->kernel_height; i++, row += layer->dilation_height) {
        if (row >= layer->height) {
            to = fill(to, layer->padding, bytes);
        } else if (joined) {
            to = edgekd_copy_bytes(x + (row * layer->width + column) * layer->channels, to, bytes);
        } else {
            to = gather_line(layer, x + row * layer->width * layer->channels, column, to);
        }
    }
}

/* The groups of channels of one window, gathered one after another. Returns where the next result goes. */
static uint8_t *grouped(const edgekd_conv_2d *layer, const uint8_t *x, uint32_t row, uint32_t column, uint8_t *scratch,
                        uint8_t *y) {
    edgekd_fully_connected rows = layer->rows;
    uint32_t group;
    for (group = 0; group < layer->groups; group++, x += layer->group_channels, y += layer->group_outputs) {
        gather(layer, x, row, column, scratch);
        layer->kernel(&rows, scratch, y);
        rows.packed_weights += layer->group_words;
    }
    return y;
}

/* Columns in which a window may begin that is one piece of x, with 3 bytes behind it. */
static uint32_t whole_columns(const edgekd_conv_2d *layer, uint32_t row) {
    const uint32_t behind = (layer->height - 1u - row) * layer->width * layer->channels;
    uint32_t spare = layer->kernel_width - 1u;
    if (layer->groups != 1u || layer->kernel_height != 1u || layer->dilation_width != 1u || row >= layer->height) {
        return 0;
    }
    if (behind < 3u) {
        spare += (3u + layer->channels - 1u) / layer->channels; /* columns that hold what is read behind */
    }
    return spare < layer->width ? layer->width - spare : 0u;
}

void edgekd_conv_2d_run(const edgekd_conv_2d *layer, const void *x, void *scratch, void *y) {
    uint8_t *out = (uint8_t *)y;
    uint32_t i, j;
    for (i = 0; i < layer->out_height; i++) {
        const uint32_t row = i * layer->stride_height - layer->top;
        const uint32_t whole = whole_columns(layer, row);
        uint32_t column = 0u - layer->left;
        for (j = 0; j < layer->out_width; j++, column += layer->stride_width) {
            if (column < whole) {
                layer->kernel(&layer->rows, (const uint8_t *)x + (row * layer->width + column) * layer->channels, out);
                out += layer->group_outputs;
            } else {
                out = grouped(layer, (const uint8_t *)x, row, column, (uint8_t *)scratch, out);
            }
        }
    }
}
