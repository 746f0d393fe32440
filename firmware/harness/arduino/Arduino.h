/*
 * What edgekd's sketches use of Arduino, on the emulated board. Serial is a stretch of memory outside the board's own
 * that the emulator fills and reads; time passes only when a sketch waits or looks at the clock.
 */
#ifndef EDGEKD_HARNESS_ARDUINO_H
#define EDGEKD_HARNESS_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

unsigned long millis();
void delay(unsigned long ms);

class SerialLine {
  public:
    void begin(unsigned long) {}
    explicit operator bool() const { return true; }
    int available();
    int read();
    size_t print(const char *text);
    size_t println(const char *text);
};

extern SerialLine Serial;

void setup();
void loop();

#endif
