/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of edgekd_protocol.h over Bluetooth Low Energy: a GATT service on the library ArduinoBLE. Needs Arduino.h.
 * The UUIDs and every byte are written down here and nowhere else.
 *
 * Service 7E1D0001-5B0C-4F6E-9A53-0F2A9C6D1E77. Its characteristics are 7E1D0002-... to 7E1D0005-...:
 *
 *     0002  sample    write, write without response    one or more samples, each float32[inputs]; missing is NaN.
 *                                                      All of them are taken, or none when the length is wrong
 *     0003  history   notify                           the samples, as pieces
 *     0004  forecast  notify                           the forecast, as pieces
 *     0005  health    read, notify                     20 bytes:
 *               uint8    state      0 too few samples, 1 there is a forecast, 2 the self-test failed: never a forecast
 *               uint8    layout     1
 *               uint16   outputs    values of a forecast
 *               uint32   samples    how many since the last reset
 *               uint32   digest     CRC-32 of them, as in edgekd_protocol.h
 *               float32  next       first value of the forecast, NaN without one
 *               float32  horizon    its last value
 *
 * A piece fits the smallest MTU, 23, which leaves 20 bytes:
 *               uint16   first      number of its first value; of history: since the last reset, the lowest 16 bits
 *               uint16   samples    of which number of samples, the lowest 16 bits
 *               float32  values     1 to 4, of history in the order [sample][column]
 *
 * Numbers are little-endian. Who subscribes to history gets what the model's window holds, then each new sample; who
 * subscribes to forecast gets it whole, and whole again after each new sample: pieces of an older number of samples are
 * then of no use. Several samples in quick succession may give one forecast. Nothing is lost on the board when the
 * other side goes away: it advertises again, and whoever connects and subscribes gets all from the start.
 */
#ifndef EDGEKD_BLE_H
#define EDGEKD_BLE_H

#include "edgekd_protocol.h"

/**
 * Start the radio and advertise as `name`. Returns false, after an error on the serial line, when there is no radio.
 * ring: float[window][inputs], keeps the samples that history reports.
 */
bool edgekd_ble_begin(edgekd_session *session, const char *name, float *ring);

/** Remember a sample that the model was given; the model's push() calls it. */
void edgekd_ble_keep(const float *sample);

/** Take what has come in, and send at most one piece of each kind. Does not wait for the other side. */
void edgekd_ble_serve(void);

#endif
