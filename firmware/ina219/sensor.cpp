/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A LiFePO4 cell of 1.1 Ah behind an INA219, on an Arduino Nano 33 BLE: one sample, the capacity in Ah, per cycle. The
 * capacities stay in flash, so that after a reset the model gets its window back before the next cycle ends.
 *
 * Copy the files of this folder over those of the sketch. Wiring: boards/nano33ble.md. Change what is below to your cell.
 * Uploading a sketch may erase the history; pulling the plug does not.
 */
#include "sensor.h"

#include <Arduino.h>
#include <FlashIAP.h>
#include <Wire.h>

#include <string.h>

#include "edgekd_capacity.h"
#include "edgekd_log.h"

namespace {

/* ---- yours ---- */

constexpr edgekd_cell cell = {
    3550,   /* full_mv: charged to 3.6 V, */
    60000,  /* taper_ua: until the current has fallen to about C/20 */
    2000,   /* empty_mv */
    300,    /* rebound_mv */
    5000,   /* idle_ua: LSB of 0.1 mA, offset of up to 1 mA on 0.1 ohm */
    5,      /* hold: readings, of 200 ms */
    10000,  /* gap_ms */
    0.5f,   /* least_ah: less than half of the nominal capacity is a mistake, */
    1.3f,   /* most_ah: and so is much more than all of it */
};
constexpr int32_t shunt_milliohm = 100; /* on most boards with this chip: up to 3.2 A. 10 for 32 A */
constexpr uint8_t address = 0x40;       /* A0 and A1 on ground */

/* ---- INA219, data sheet SBOS448G ---- */

constexpr uint8_t configuration = 0;
constexpr uint8_t shunt_voltage = 1; /* 10 uV */
constexpr uint8_t bus_voltage = 2;   /* 4 mV from bit 3 on; at IN- */
constexpr uint16_t averaging = 0x1FFF; /* 16 V, 320 mV, 128 samples each (2 x 68 ms), continuous */
constexpr unsigned long period_ms = 200;

bool write_register(uint8_t number, uint16_t value) {
    Wire.beginTransmission(address);
    Wire.write(number);
    Wire.write(static_cast<uint8_t>(value >> 8));
    Wire.write(static_cast<uint8_t>(value & 0xFFu));
    return Wire.endTransmission() == 0;
}

bool read_register(uint8_t number, uint16_t *value) {
    Wire.beginTransmission(address);
    Wire.write(number);
    if (Wire.endTransmission() != 0 || Wire.requestFrom(address, static_cast<size_t>(2)) != 2) {
        return false;
    }
    const uint16_t high = static_cast<uint16_t>(Wire.read());
    *value = static_cast<uint16_t>(high << 8 | static_cast<uint16_t>(Wire.read()));
    return true;
}

/* Current out of the cell, IN+ on its side, and its voltage, also at IN+. */
bool read_cell(int32_t *out_ua, int32_t *mv) {
    uint16_t shunt, bus;
    if (!read_register(shunt_voltage, &shunt) || !read_register(bus_voltage, &bus)) {
        return false;
    }
    const int32_t tens_of_uv = static_cast<int16_t>(shunt);
    *out_ua = tens_of_uv * 10000 / shunt_milliohm;
    *mv = (bus >> 3) * 4 + tens_of_uv / 100;
    return true;
}

/* ---- flash: the last pages of the chip ---- */

constexpr uint32_t page_bytes = 4096;
constexpr uint32_t records = page_bytes / EDGEKD_LOG_RECORD_BYTES;
constexpr uint32_t pages = 2 + SENSOR_WINDOW / records; /* the one that is being filled does not count */

mbed::FlashIAP chip;

uint32_t base() { return chip.get_flash_start() + chip.get_flash_size() - pages * page_bytes; }

int read_flash(uint32_t at, void *to, uint32_t bytes) { return chip.read(to, base() + at, bytes) == 0; }

int write_flash(uint32_t at, const void *from, uint32_t bytes) { return chip.program(from, base() + at, bytes) == 0; }

int erase_flash(uint32_t page) { return chip.erase(base() + page * page_bytes, page_bytes) == 0; }

constexpr edgekd_flash flash = {pages, page_bytes, read_flash, write_flash, erase_flash};

edgekd_log history;
edgekd_counter counter;
uint32_t next_stored = 0; /* number of the next capacity that the model has not seen */
unsigned long next_ms = 0;
bool started = false;

void start() {
    started = true;
    Wire.begin();
    (void)write_register(configuration, averaging);
    (void)chip.init();
    edgekd_log_open(&history, &flash);
    edgekd_counter_begin(&counter, &cell);
    next_stored = history.next > SENSOR_WINDOW ? history.next - SENSOR_WINDOW : 0;
}

}  // namespace

bool read_sample(float sample[1]) {
    int32_t out_ua, mv;
    if (!started) {
        start();
    }
    if (next_stored < history.next) {
        if (!edgekd_log_find(&history, next_stored++, sample)) {
            const uint32_t missing = 0x7FC00000u; /* NaN */
            memcpy(sample, &missing, sizeof missing);
        }
        return true;
    }
    if (static_cast<long>(millis() - next_ms) < 0) {
        return false;
    }
    next_ms = millis() + period_ms;
    if (!read_cell(&out_ua, &mv)) {
        (void)write_register(configuration, averaging); /* it may have been without power */
        return false;
    }
    if (!edgekd_counter_read(&counter, static_cast<uint32_t>(millis()), out_ua, mv, sample)) {
        return false;
    }
    (void)edgekd_log_append(&history, *sample); /* the model gets it even when the flash is worn out */
    next_stored = history.next;
    return true;
}
