#include "edgekd_console.h"

#include <Arduino.h>

#include "edgekd_text.h"

#if defined(ARDUINO_ARDUINO_NANO33BLE)
#include <nrf.h>
#endif

namespace {

constexpr unsigned long baud = 115200;
constexpr unsigned long listener_ms = 4000;
constexpr unsigned long repeat_ms = 3000;

char line[EDGEKD_LINE_CHARS];
uint32_t length = 0;

void complain(const char *what) {
    Serial.print("error: ");
    Serial.println(what);
}

bool parse(float *sample, uint32_t count) {
    char message[EDGEKD_LINE_CHARS];
    const char *at = line;
    for (uint32_t f = 0; f < count; f++) {
        const char *end = edgekd_read_float(at, &sample[f]);
        const char expected = f + 1 < count ? ',' : '\0';
        if (*end != expected) {
            char *to = edgekd_put_text(message, "column ");
            to = edgekd_put_integer(to, static_cast<int32_t>(f + 1));
            to = edgekd_put_text(to, " of this line is not followed by ");
            to = edgekd_put_text(to, expected == ',' ? "a comma" : "the end of the line");
            to = edgekd_put_text(to, "; columns expected: ");
            edgekd_put_integer(to, static_cast<int32_t>(count));
            complain(message);
            return false;
        }
        at = end + 1;
    }
    return true;
}

}  // namespace

void edgekd_console_begin(void) {
#if defined(ARDUINO_ARDUINO_NANO33BLE)
    NRF_NVMC->ICACHECNF = NVMC_ICACHECNF_CACHEEN_Enabled << NVMC_ICACHECNF_CACHEEN_Pos;
#endif
    Serial.begin(baud);
    while (!Serial && millis() < listener_ms) {
    }
}

void edgekd_console_say(const char *text) { Serial.println(text); }

bool edgekd_console_read(float *sample, uint32_t count) {
    while (Serial.available() > 0) {
        const char c = static_cast<char>(Serial.read());
        if (c != '\n') {
            line[length < EDGEKD_LINE_CHARS ? length++ : length - 1] = c;
            continue;
        }
        const bool whole = length < EDGEKD_LINE_CHARS;
        line[whole ? length : 0] = '\0';
        length = 0;
        if (!whole) {
            complain("a line is too long");
            continue;
        }
        if (parse(sample, count)) {
            return true;
        }
    }
    return false;
}

void edgekd_console_row(const float *values, uint32_t count) {
    char number[EDGEKD_FLOAT_CHARS];
    for (uint32_t i = 0; i < count; i++) {
        edgekd_put_float(number, values[i]);
        Serial.print(number);
        Serial.print(i + 1 < count ? "," : "\r\n");
    }
}

void edgekd_console_fail(const char *what) {
    for (;;) {
        complain(what);
        delay(repeat_ms);
    }
}
