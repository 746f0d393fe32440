#ifndef EDGEKD_KERNELS_H
#define EDGEKD_KERNELS_H
#include <stdint.h>
typedef struct {
    const uint32_t *words;
    uint32_t inputs, outputs;
    int32_t y_zero;
} edgekd_fully_connected;
void edgekd_fully_connected_s8(const edgekd_fully_connected *layer, const int8_t *x, int8_t *y);

typedef struct {
    const uint32_t *words;
    uint32_t inputs, outputs, shift;
    int32_t low, high;
} edgekd_fully_connected_s16_layer;
void edgekd_fully_connected_s16(const edgekd_fully_connected_s16_layer *layer, const int16_t *x, int16_t *y);

/** Copy bytes; x and y must not overlap. */
void edgekd_copy(const void *x, void *y, uint32_t bytes);

#endif
