#include "edgekd_grid.h"

#include "edgekd_float.h"

int32_t edgekd_quantize(const edgekd_grid *grid, float real) {
    float u = edgekd_product(real, grid->inverse_scale);
    float nudged = u < 0.0f ? u - 0.5f : u + 0.5f;
    int32_t low = grid->low - grid->zero_point;
    int32_t high = grid->high - grid->zero_point;
    if (nudged >= (float)high) {
        return grid->high;
    }
    return (nudged > (float)low ? (int32_t)nudged : low) + grid->zero_point;
}

float edgekd_dequantize(const edgekd_grid *grid, int32_t integer) {
    return edgekd_product((float)(integer - grid->zero_point), grid->scale);
}
