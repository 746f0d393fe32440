/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_capacity.h"

#include <string.h>

#define CHARGE_PER_AH 7.2e12 /* 2 * 3600 s * 1e6 uA * 1e3 ms */

void edgekd_counter_begin(edgekd_counter *counter, const edgekd_cell *cell) {
    memset(counter, 0, sizeof *counter);
    counter->cell = cell;
}

static void lose(edgekd_counter *c) {
    c->counting = c->discharging = 0;
    c->full = c->charging = c->empty = 0;
}

/* Trapezoids. A gap loses what flowed in it. */
static void integrate(edgekd_counter *c, uint32_t now_ms, int32_t out_ua) {
    const uint32_t dt = now_ms - c->now_ms;
    if (c->seen && dt <= c->cell->gap_ms) {
        c->charge += ((int64_t)c->out_ua + out_ua) * (int64_t)dt;
    } else {
        lose(c);
    }
    c->seen = 1;
    c->now_ms = now_ms;
    c->out_ua = out_ua;
}

static int ends(edgekd_counter *c, float *capacity_ah) {
    *capacity_ah = (float)((double)c->charge / CHARGE_PER_AH);
    lose(c);
    return *capacity_ah >= c->cell->least_ah && *capacity_ah <= c->cell->most_ah;
}

int edgekd_counter_read(edgekd_counter *c, uint32_t now_ms, int32_t out_ua, int32_t mv, float *capacity_ah) {
    const edgekd_cell *cell = c->cell;
    const int32_t flow = out_ua >= cell->idle_ua || out_ua <= -cell->idle_ua ? out_ua : 0;
    integrate(c, now_ms, flow);
    c->full = mv >= cell->full_mv && flow <= 0 && flow >= -cell->taper_ua ? c->full + 1u : 0;
    if (c->full >= cell->hold) {
        c->counting = 1;
        c->discharging = 0;
        c->charge = 0;
        c->charging = c->empty = 0;
        return 0;
    }
    if (!c->counting) {
        return 0;
    }
    c->discharging = (uint8_t)(c->discharging || flow > 0);
    c->charging = flow < 0 ? c->charging + 1u : 0;
    if (c->discharging && c->charging >= cell->hold) {
        lose(c);
        return 0;
    }
    if (mv <= cell->empty_mv && flow > 0) {
        c->empty++;
    } else if (mv > cell->empty_mv + cell->rebound_mv && flow > 0) {
        c->empty = 0;
    }
    /* Loads switch off at the first low voltage, or go on. */
    return c->empty >= cell->hold || (c->empty > 0 && flow <= 0) ? ends(c, capacity_ah) : 0;
}
