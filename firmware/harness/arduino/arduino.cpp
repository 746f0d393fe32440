/* SPDX-License-Identifier: Apache-2.0 */
#include "Arduino.h"

namespace {

/* The emulator's device: edgekd/emulate/sketch.py. */
struct Device {
    uint32_t received; /* characters that wait */
    uint32_t read;     /* the next of them */
    uint32_t write;    /* a character to print */
    uint32_t microseconds;
    uint32_t milliseconds;
    uint32_t wait_ms; /* let time pass */
    uint32_t look;    /* whether someone listens; what the board's core takes for that passes */
};

volatile Device &device() { return *reinterpret_cast<volatile Device *>(0x50001000u); }

}  // namespace

extern "C" {

/* Compilers recognize loops that count characters. The empty asm keeps them from doing so here. */
size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
        __asm__ volatile("" : "+r"(length));
    }
    return length;
}

void edgekd_sketch_setup(void) { setup(); }

/* loop() until all that was sent has been read. */
void edgekd_sketch_loop(void) {
    do {
        loop();
    } while (device().received > 0);
}
}

SerialLine Serial;

unsigned long millis() { return device().milliseconds; }

unsigned long micros() { return device().microseconds; }

void delay(unsigned long ms) { device().wait_ms = ms; }

int SerialLine::available() { return static_cast<int>(device().received); }

int SerialLine::read() { return device().received > 0 ? static_cast<int>(device().read) : -1; }

SerialLine::operator bool() const {
    device().look = 0;
    return true;
}

size_t SerialLine::write(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        device().write = static_cast<uint8_t>(text[i]);
    }
    return count;
}

size_t SerialLine::print(const char *text) { return write(text, strlen(text)); }

size_t SerialLine::println(const char *text) { return print(text) + print("\r\n"); }
