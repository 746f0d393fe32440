/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What edgekd's sketches use of Arduino, on the emulated board. Serial and the clock are a device in the board's
 * peripheral space, which the emulator provides.
 */
#ifndef EDGEKD_HARNESS_ARDUINO_H
#define EDGEKD_HARNESS_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

unsigned long millis();
unsigned long micros();
void delay(unsigned long ms);

class SerialLine {
  public:
    void begin(unsigned long) {}
    explicit operator bool() const;
    int available();
    int read();
    size_t print(const char *text);
    size_t println(const char *text);
    size_t write(const char *text, size_t count);
};

extern SerialLine Serial;

void setup();
void loop();

#endif
