/* What edgekd's example of a sensor uses of Arduino's I2C; ina219_bench.cpp has the chip. */
#pragma once

#include <stddef.h>
#include <stdint.h>

class TwoWire {
  public:
    void begin();
    void beginTransmission(uint8_t address);
    size_t write(uint8_t byte);
    uint8_t endTransmission();
    size_t requestFrom(uint8_t address, size_t bytes);
    int read();
};

extern TwoWire Wire;
