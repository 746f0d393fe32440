/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_ble.h"

#include <Arduino.h>
#include <ArduinoBLE.h>

#include <string.h>

#define UUID(number) "7E1D" number "-5B0C-4F6E-9A53-0F2A9C6D1E77"

namespace {

constexpr uint8_t layout = 1;
constexpr int piece_bytes = 20;
constexpr int health_bytes = 20;
constexpr uint32_t piece_values = 4;
constexpr int write_bytes = 244; /* the most that one packet of Bluetooth 4.2 and later carries */

enum : uint8_t { too_few_samples = 0, forecasting = 1, failed = 2 };

BLEService service(UUID("0001"));
BLECharacteristic sample(UUID("0002"), BLEWrite | BLEWriteWithoutResponse, write_bytes);
BLECharacteristic history(UUID("0003"), BLENotify, piece_bytes);
BLECharacteristic forecast(UUID("0004"), BLENotify, piece_bytes);
BLECharacteristic health(UUID("0005"), BLERead | BLENotify, health_bytes);

edgekd_session *session = nullptr; /* none while the radio is off */
float *ring = nullptr;             /* [window][inputs] */
uint32_t window = 0;
uint32_t inputs = 0;
uint32_t kept = 0; /* samples that went into the ring, those of the self-test included */

uint32_t known_samples = 0; /* what health says */
uint32_t known_digest = 0;
bool known_failed = false;
uint32_t next_forecast = 0; /* number of the next value to send */
uint32_t next_history = 0;
bool alone = false; /* whether the other side has gone and nothing is advertised yet */

/* Processors with ArduinoBLE are little-endian, as the layout is. */
uint8_t *put(uint8_t *to, const void *value, size_t bytes) {
    memcpy(to, value, bytes);
    return to + bytes;
}

float not_a_number() {
    const uint32_t bits = 0x7FC00000u; /* the one that the digest knows */
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- what comes in ---- */

void on_sample(BLEDevice, BLECharacteristic written) {
    const int bytes = static_cast<int>(inputs * sizeof(float));
    const uint8_t *from = written.value();
    if (written.valueLength() == 0 || written.valueLength() % bytes != 0) {
        edgekd_session_error(session, "samples over BLE have another length than their columns");
        return;
    }
    for (int at = 0; at < written.valueLength(); at += bytes) {
        memcpy(session->sample, from + at, static_cast<size_t>(bytes));
        for (uint32_t f = 0; f < inputs; f++) {
            if (!(session->sample[f] == session->sample[f])) {
                session->sample[f] = not_a_number();
            }
        }
        edgekd_session_push(session, session->sample);
    }
}

uint32_t samples_in_ring() { return session->samples < window ? session->samples : window; }

void on_history(BLEDevice, BLECharacteristic) { next_history = (session->samples - samples_in_ring()) * inputs; }

void on_forecast(BLEDevice, BLECharacteristic) { next_forecast = 0; }

void on_disconnected(BLEDevice) { alone = true; }

/* ---- what goes out ---- */

void write_health() {
    const uint8_t state = session->failed ? failed : session->predicted ? forecasting : too_few_samples;
    const uint16_t outputs = static_cast<uint16_t>(session->model->outputs);
    const float next = session->predicted ? session->forecast[0] : not_a_number();
    const float horizon = session->predicted ? session->forecast[outputs - 1] : not_a_number();
    uint8_t bytes[health_bytes];
    uint8_t *to = put(bytes, &state, sizeof state);
    to = put(to, &layout, sizeof layout);
    to = put(to, &outputs, sizeof outputs);
    to = put(to, &session->samples, sizeof session->samples);
    to = put(to, &session->digest, sizeof session->digest);
    to = put(to, &next, sizeof next);
    (void)put(to, &horizon, sizeof horizon);
    (void)health.writeValue(bytes, health_bytes);
}

/* Run the model on new samples, and start to send what it says. */
void follow() {
    const bool broken = session->failed != 0;
    if (session->samples == known_samples && session->digest == known_digest && broken == known_failed) {
        return;
    }
    if (session->samples < known_samples) { /* a reset */
        next_history = 0;
    }
    known_samples = session->samples;
    known_digest = session->digest;
    known_failed = broken;
    next_forecast = 0;
    (void)edgekd_session_predict(session);
    write_health();
}

/* Send values `first` and on. Returns how many: none when there is no room for it now. */
uint32_t send(BLECharacteristic &to, uint32_t first, const float *values, uint32_t count) {
    const uint16_t number = static_cast<uint16_t>(first);
    const uint16_t samples = static_cast<uint16_t>(session->samples);
    uint8_t bytes[piece_bytes];
    uint8_t *end = put(put(bytes, &number, sizeof number), &samples, sizeof samples);
    end = put(end, values, count * sizeof(float));
    return to.writeValue(bytes, static_cast<int>(end - bytes)) ? count : 0;
}

uint32_t fewer(uint32_t a, uint32_t b) { return a < b ? a : b; }

void send_forecast() {
    const uint32_t outputs = session->model->outputs;
    if (!session->predicted || next_forecast >= outputs || !forecast.subscribed()) {
        return;
    }
    const uint32_t count = fewer(piece_values, outputs - next_forecast);
    next_forecast += send(forecast, next_forecast, session->forecast + next_forecast, count);
}

/* Value `number` since the last reset; the ring has it. */
float value_of(uint32_t number) {
    const uint32_t back = session->samples - number / inputs;
    return ring[(kept - back) % window * inputs + number % inputs];
}

void send_history() {
    const uint32_t oldest = (session->samples - samples_in_ring()) * inputs;
    const uint32_t end = session->samples * inputs;
    float values[piece_values];
    next_history = next_history < oldest ? oldest : next_history;
    if (next_history >= end || !history.subscribed()) {
        return;
    }
    const uint32_t count = fewer(piece_values, end - next_history);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value_of(next_history + i);
    }
    next_history += send(history, next_history, values, count);
}

}  // namespace

bool edgekd_ble_begin(edgekd_session *of, const char *name, float *samples) {
    if (!BLE.begin()) {
        edgekd_session_error(of, "Bluetooth does not start");
        return false;
    }
    session = of;
    sample.setEventHandler(BLEWritten, on_sample);
    history.setEventHandler(BLESubscribed, on_history);
    forecast.setEventHandler(BLESubscribed, on_forecast);
    BLE.setEventHandler(BLEDisconnected, on_disconnected);
    for (BLECharacteristic *characteristic : {&sample, &history, &forecast, &health}) {
        service.addCharacteristic(*characteristic);
    }
    BLE.setLocalName(name);
    BLE.setAdvertisedService(service);
    BLE.addService(service);
    ring = samples;
    window = of->model->window;
    inputs = of->model->inputs;
    known_failed = of->failed != 0;
    write_health();
    (void)BLE.advertise();
    return true;
}

void edgekd_ble_keep(const float *one) {
    if (ring != nullptr) {
        memcpy(ring + kept % window * inputs, one, inputs * sizeof(float));
        kept++;
    }
}

void edgekd_ble_serve(void) {
    if (session == nullptr) {
        return;
    }
    BLE.poll();
    if (alone) {
        alone = false;
        (void)BLE.advertise();
    }
    follow();
    send_forecast();
    send_history();
}
