/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_console.h"

#include <Arduino.h>

#include "edgekd_boards.h"

#if defined(ARDUINO_ARDUINO_NANO33BLE)
#include <nrf.h>
#endif

#if defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__)
#define CYCLE_COUNTER 1
#else
#define CYCLE_COUNTER 0
#endif

namespace {

constexpr unsigned long baud = 115200;
constexpr unsigned long listener_ms = 100; /* how often a listener is looked for until the first one is there */
constexpr unsigned long repeat_ms = 3000;
constexpr int chars_per_turn = EDGEKD_LINE_CHARS;

#if CYCLE_COUNTER
/* Armv7-M Architecture Reference Manual, C1.6 and C1.8. */
volatile uint32_t &demcr() { return *reinterpret_cast<volatile uint32_t *>(0xE000EDFCu); }
volatile uint32_t &dwt_ctrl() { return *reinterpret_cast<volatile uint32_t *>(0xE0001000u); }
volatile uint32_t &dwt_cyccnt() { return *reinterpret_cast<volatile uint32_t *>(0xE0001004u); }

void start_clock() {
    demcr() = demcr() | 1u << 24;
    dwt_ctrl() = dwt_ctrl() | 1u;
}

uint32_t read_clock() { return dwt_cyccnt(); }
#else
void start_clock() {}

uint32_t read_clock() { return static_cast<uint32_t>(micros()); }
#endif

uint32_t milliseconds() { return static_cast<uint32_t>(millis()); }

/*
 * Whether someone listens is asked once a line: on mbed cores each look at `Serial` takes a millisecond. Without a
 * listener, USB would hold the sketch up.
 */
bool line_begins = true;
bool heard = false;

void write(const char *text, uint32_t chars) {
    if (line_begins) {
        heard = static_cast<bool>(Serial);
    }
    line_begins = text[chars - 1] == '\n';
    if (heard) {
        Serial.write(text, chars);
    }
}

const edgekd_port port = {EDGEKD_BOARD, CYCLE_COUNTER ? "cycles" : "us", read_clock, milliseconds, write};

edgekd_session session;

char verdict[EDGEKD_LINE_CHARS]; /* of the self-test */
bool announced = false;
unsigned long looked_ms = 0;

/* Say what this is and how the self-test went, to the first who listens. */
void announce() {
    looked_ms = millis();
    if (announced || !Serial) {
        return;
    }
    announced = true;
    edgekd_session_announce(&session);
    if (session.failed) {
        edgekd_session_error(&session, verdict);
    } else {
        edgekd_session_say(&session, verdict);
    }
}

/* Wait for an interrupt: a millisecond at most, as all cores here count milliseconds. */
void sleep() {
#if defined(__arm__) && !defined(ARDUINO_ARCH_MBED) && !defined(EDGEKD_HARNESS)
    __asm__ volatile("wfi");
#else
    delay(1); /* mbed's idle thread sleeps */
#endif
}

}  // namespace

void edgekd_console_begin(void) {
#if defined(ARDUINO_ARDUINO_NANO33BLE)
    NRF_NVMC->ICACHECNF = NVMC_ICACHECNF_CACHEEN_Enabled << NVMC_ICACHECNF_CACHEEN_Pos;
#endif
    start_clock();
    session.port = &port;
    Serial.begin(baud);
}

void edgekd_console_model(const edgekd_model *model, float *sample, float *forecast, int32_t *integers) {
    edgekd_session_begin(&session, model, &port, sample, forecast, integers);
    (void)edgekd_session_self_test(&session, verdict);
    announce();
}

void edgekd_console_serve(void) {
    if (!announced && millis() - looked_ms >= listener_ms) {
        announce();
    }
    for (int taken = 0; taken < chars_per_turn && Serial.available() > 0; taken++) {
        if (edgekd_session_take(&session, static_cast<char>(Serial.read()))) {
            return;
        }
    }
}

void edgekd_console_idle(void) {
    if (Serial.available() <= 0) {
        sleep();
    }
}

edgekd_session *edgekd_console_session(void) { return &session; }

void edgekd_console_fail(const char *what) {
    for (;;) {
        edgekd_session_error(&session, what);
        delay(repeat_ms);
    }
}
