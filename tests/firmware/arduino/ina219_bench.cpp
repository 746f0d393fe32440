/*
 * An INA219 and flash for firmware/ina219/sensor.cpp. Standard input: `uA mV`, what the next reading finds, or `x` when
 * the chip does not answer. Prints each sample. The argument is the file that the flash is kept in.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "Arduino.h"
#include "FlashIAP.h"
#include "Wire.h"
#include "nrf.h"
#include "sensor.h"

TwoWire Wire;
SerialLine Serial;

namespace {

constexpr uint32_t start = 0, size = 1048576;
unsigned long now_ms = 0;
FILE *flash = nullptr;
int32_t ua = 0, mv = 0;
bool answers = true;
uint8_t sent[3];
size_t sent_bytes = 0;
uint16_t configuration = 0x399F;
uint16_t answer = 0;
int answer_byte = 0;

void require(bool holds, const char *what) {
    if (!holds) {
        printf("%s\n", what);
        exit(1);
    }
}

}  // namespace

unsigned long millis() { return now_ms; }

void TwoWire::begin() {}

void TwoWire::beginTransmission(uint8_t address) {
    require(address == 0x40, "another address");
    sent_bytes = 0;
}

size_t TwoWire::write(uint8_t byte) {
    sent[sent_bytes++] = byte;
    return 1;
}

uint8_t TwoWire::endTransmission() {
    if (sent_bytes == 3) {
        require(sent[0] == 0, "only the configuration is written");
        configuration = static_cast<uint16_t>(sent[1] << 8 | sent[2]);
    }
    return answers ? 0 : 2;
}

/* 0.1 ohm, current from IN+ to IN-; the voltage is that at IN-. */
size_t TwoWire::requestFrom(uint8_t, size_t bytes) {
    const int32_t tens_of_uv = ua / 100;
    require(configuration == 0x1FFF, "the chip does not average");
    answer = sent[0] == 1 ? static_cast<uint16_t>(tens_of_uv) : static_cast<uint16_t>((mv - tens_of_uv / 100) / 4 << 3);
    answer_byte = 0;
    return answers ? bytes : 0;
}

int TwoWire::read() { return answer_byte++ == 0 ? answer >> 8 : answer & 0xFF; }

namespace mbed {

int FlashIAP::init() { return 0; }

int FlashIAP::read(void *buffer, uint32_t addr, uint32_t bytes) {
    fseek(flash, static_cast<long>(addr), SEEK_SET);
    return fread(buffer, 1, bytes, flash) == bytes ? 0 : -1;
}

int FlashIAP::program(const void *buffer, uint32_t addr, uint32_t bytes) {
    require(addr % 4 == 0 && bytes % 4 == 0, "no whole words are written");
    fseek(flash, static_cast<long>(addr), SEEK_SET);
    return fwrite(buffer, 1, bytes, flash) == bytes && fflush(flash) == 0 ? 0 : -1;
}

int FlashIAP::erase(uint32_t addr, uint32_t bytes) {
    require(addr % 4096 == 0 && bytes == 4096 && addr >= size - 2 * 4096, "another page is erased");
    fseek(flash, static_cast<long>(addr), SEEK_SET);
    for (uint32_t i = 0; i < bytes; i++) {
        fputc(0xFF, flash);
    }
    return 0;
}

uint32_t FlashIAP::get_flash_start() const { return start; }

uint32_t FlashIAP::get_flash_size() const { return size; }

}  // namespace mbed

int main(int, char **argv) {
    char line[64];
    flash = fopen(argv[1], "r+b");
    require(flash != nullptr, "no flash");
    for (bool more = true; more;) {
        float sample;
        while (read_sample(&sample)) {
            printf("%.9g\n", static_cast<double>(sample));
        }
        more = fgets(line, sizeof line, stdin) != nullptr;
        answers = line[0] != 'x';
        if (answers) {
            ua = static_cast<int32_t>(strtol(line, nullptr, 10));
            mv = static_cast<int32_t>(strtol(line + 9, nullptr, 10));
        }
        now_ms += 200;
    }
    fclose(flash);
    return 0;
}
