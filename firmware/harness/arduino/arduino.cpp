#include "Arduino.h"

extern "C" {

/* Set by the emulator before each call. */
struct {
    const char *in;
    const char *in_end;
    char *out;
    char *out_end;
    uint32_t time_ms;
    uint32_t end_ms;
} edgekd_serial;

/* Where a sketch that has waited for too long, or has said too much, stops. */
__attribute__((noinline, used)) void edgekd_sketch_halt(void) {
    for (;;) {
        __asm__ volatile("bkpt 0");
    }
}

void edgekd_sketch_setup(void) { setup(); }

/* loop() until all that was sent has been read. */
void edgekd_sketch_loop(void) {
    do {
        loop();
    } while (edgekd_serial.in < edgekd_serial.in_end);
}
}

SerialLine Serial;

unsigned long millis() {
    delay(1);
    return edgekd_serial.time_ms;
}

void delay(unsigned long ms) {
    edgekd_serial.time_ms += ms;
    if (edgekd_serial.time_ms > edgekd_serial.end_ms) {
        edgekd_sketch_halt();
    }
}

int SerialLine::available() { return static_cast<int>(edgekd_serial.in_end - edgekd_serial.in); }

int SerialLine::read() { return edgekd_serial.in < edgekd_serial.in_end ? *edgekd_serial.in++ : -1; }

size_t SerialLine::print(const char *text) {
    size_t count = 0;
    for (; text[count] != '\0'; count++) {
        if (edgekd_serial.out == edgekd_serial.out_end) {
            edgekd_sketch_halt();
        }
        *edgekd_serial.out++ = text[count];
    }
    return count;
}

size_t SerialLine::println(const char *text) { return print(text) + print("\r\n"); }
