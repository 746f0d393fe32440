/* What edgekd's sketches use of Arduino, for this computer: Serial is standard input and output. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Virtual time, which only delay() and looking at the clock let pass. Ends the program after a minute of it. */
unsigned long millis();
unsigned long micros();
void delay(unsigned long ms);

class SerialLine {
  public:
    void begin(unsigned long baud);
    operator bool() const { return true; }
    int available();
    int read();
    size_t print(const char *text);
    size_t println(const char *text);
    size_t write(const char *text, size_t count);
};

extern SerialLine Serial;
