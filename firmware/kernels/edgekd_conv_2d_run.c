#include "edgekd_kernels.h"
#include "edgekd_math.h"

/* A window that is one piece of x, with 3 bytes behind it, is read where it is; another is gathered in the scratch. */

static uint8_t *copy(uint8_t *to, const uint8_t *from, uint32_t bytes) {
    for (; bytes >= 4u; bytes -= 4u, from += 4, to += 4) {
        const uint32_t word = edgekd_word(from);
        memcpy(to, &word, sizeof word);
    }
    for (; bytes > 0u; bytes--) {
        *to++ = *from++;
    }
    return to;
}

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
            to = copy(to, line + column * layer->channels, layer->group_channels);
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
            to = copy(to, x + (row * layer->width + column) * layer->channels, bytes);
        } else {
            to = gather_line(layer, x + row * layer->width * layer->channels, column, to);
        }
    }
}

/* Whether the window at (row, column) is one piece of x with 3 bytes behind it. */
static int is_one_piece(const edgekd_conv_2d *layer, uint32_t row, uint32_t column) {
    const uint32_t end = ((row * layer->width + column) + layer->kernel_width) * layer->channels;
    return layer->groups == 1u && layer->kernel_height == 1u && layer->dilation_width == 1u && row < layer->height &&
           column < layer->width && column + layer->kernel_width <= layer->width &&
           end + 3u <= layer->height * layer->width * layer->channels;
}

static uint8_t *window(const edgekd_conv_2d *layer, const uint8_t *x, uint32_t row, uint32_t column, uint8_t *scratch,
                       uint8_t *y) {
    edgekd_fully_connected rows = layer->rows;
    uint32_t group;
    if (is_one_piece(layer, row, column)) {
        layer->kernel(&rows, x + (row * layer->width + column) * layer->channels, y);
        return y + layer->group_outputs;
    }
    for (group = 0; group < layer->groups; group++) {
        gather(layer, x + group * layer->group_channels, row, column, scratch);
        layer->kernel(&rows, scratch, y);
        rows.words += layer->group_words;
        y += layer->group_outputs;
    }
    return y;
}

void edgekd_conv_2d_run(const edgekd_conv_2d *layer, const void *x, void *scratch, void *y) {
    uint8_t *out = (uint8_t *)y;
    uint32_t i, j;
    for (i = 0; i < layer->out_height; i++) {
        for (j = 0; j < layer->out_width; j++) {
            out = window(layer, (const uint8_t *)x, i * layer->stride_height - layer->top,
                         j * layer->stride_width - layer->left, (uint8_t *)scratch, out);
        }
    }
}
