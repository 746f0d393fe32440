/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capacity of a cell, cycle by cycle, from readings of its current and voltage. Plain C, no heap, whole numbers
 * while it counts.
 *
 * Only a whole discharge counts: from full (high voltage, little charging current) to empty (low voltage). One that
 * begins elsewhere, is interrupted by charging, or has a gap in its readings gives nothing: a capacity that is too small
 * would look like a cell that ages. Pauses are no interruption.
 */
#ifndef EDGEKD_CAPACITY_H
#define EDGEKD_CAPACITY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A kind of cell, and how its states are told apart. */
typedef struct {
    int32_t full_mv;    /* full: at least this voltage, */
    int32_t taper_ua;   /* while at most this current charges it */
    int32_t empty_mv;   /* empty: at most this voltage while it is discharged */
    int32_t rebound_mv; /* and not again so far above it */
    int32_t idle_ua;    /* smaller currents, either way, are none: the sensor's offset */
    uint32_t hold;      /* so many readings in a row must say the same */
    uint32_t gap_ms;    /* the longest time between readings over which current is interpolated */
    float least_ah;     /* other capacities are mistakes and are dropped */
    float most_ah;
} edgekd_cell;

typedef struct {
    const edgekd_cell *cell;
    int64_t charge;      /* taken out since full, twice, in uA ms */
    uint32_t now_ms;     /* of the last reading */
    int32_t out_ua;
    uint32_t full;       /* readings in a row that say so */
    uint32_t charging;
    uint32_t empty;
    uint8_t seen;        /* whether there was a reading */
    uint8_t counting;    /* whether it was full, and not empty or interrupted since */
    uint8_t discharging; /* whether current has flowed out since it was full */
} edgekd_counter;

/** Start without knowing anything of the cell. */
void edgekd_counter_begin(edgekd_counter *counter, const edgekd_cell *cell);

/**
 * Take a reading. Returns 1 and the capacity in Ah when it ends a cycle, else 0.
 * @param now_ms  time of the reading; may wrap
 * @param out_ua  current out of the cell in microampere, negative while it is charged; up to 100 A
 * @param mv      its voltage in millivolt
 */
int edgekd_counter_read(edgekd_counter *counter, uint32_t now_ms, int32_t out_ua, int32_t mv, float *capacity_ah);

#ifdef __cplusplus
}
#endif

#endif
