/*
 * A Bluetooth central as a script on standard input, and all that comes over the air and the serial line on standard
 * output. Words: connect, disconnect, subscribe N, write N HEX, read N, turns N (of loop), busy N (turns without room
 * for a notification), say TEXT (on the serial line). N of a characteristic: the digits 5 to 8 of its UUID.
 * "dead" as the argument: there is no radio.
 */
#include <stdio.h>
#include <stdlib.h>

#include <deque>
#include <iostream>
#include <sstream>

#include "Arduino.h"
#include "ArduinoBLE.h"
#include "nrf.h"

void setup();
void loop();

SerialLine Serial;
NrfNvmc nrf_nvmc;
BLELocalDevice BLE;

namespace {

constexpr size_t most_in_a_notification = 20; /* MTU 23 */

unsigned long now_ms = 0;
std::deque<char> typed;
bool dead = false;
bool advertising = false;
bool connected = false;
int busy = 0;
std::vector<StandInCharacteristic *> known;
std::deque<std::string> events;
BLEDeviceEventHandler handlers[2] = {nullptr, nullptr};

void stop(const std::string &why) {
    std::cout << "refused: " << why << "\n";
    exit(1);
}

StandInCharacteristic *find(const std::string &digits) {
    for (StandInCharacteristic *one : known) {
        if (one->uuid.substr(4, 4) == digits) {
            return one;
        }
    }
    stop("no characteristic " + digits);
    return nullptr;
}

std::string hex(const std::vector<uint8_t> &bytes) {
    std::string text;
    for (const uint8_t byte : bytes) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte));
        text += digits;
    }
    return text;
}

std::vector<uint8_t> bytes_of(const std::string &text) {
    std::vector<uint8_t> bytes;
    for (size_t at = 0; at + 1 < text.size(); at += 2) {
        bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(at, 2), nullptr, 16)));
    }
    return bytes;
}

void call(StandInCharacteristic *one, BLECharacteristicEvent event) {
    BLECharacteristic handle("", 0, 0);
    handle.local = one;
    if (one->handlers[event] != nullptr) {
        one->handlers[event](BLEDevice(), handle);
    }
}

void happen(const std::string &line) {
    std::istringstream words(line);
    std::string word, digits, text;
    words >> word >> digits >> text;
    if (word == "connect") {
        if (!advertising) {
            stop("nothing is advertised");
        }
        connected = true;
        advertising = false;
        return;
    }
    if (!connected) {
        stop("not connected");
    }
    if (word == "disconnect") {
        connected = false;
        for (StandInCharacteristic *one : known) {
            one->subscribed = false;
        }
        if (handlers[BLEDisconnected] != nullptr) {
            handlers[BLEDisconnected](BLEDevice());
        }
        return;
    }
    StandInCharacteristic *one = find(digits);
    if (word == "subscribe" && (one->properties & BLENotify) != 0) {
        one->subscribed = true;
        call(one, BLESubscribed);
    } else if (word == "write" && (one->properties & BLEWrite) != 0) {
        one->value = bytes_of(text);
        if (one->value.size() > one->size) {
            stop("a value is too long");
        }
        call(one, BLEWritten);
    } else if (word == "read" && (one->properties & BLERead) != 0) {
        std::cout << "value " << digits << " " << hex(one->value) << "\n";
    } else {
        stop(line);
    }
}

}  // namespace

unsigned long millis() { return ++now_ms; }

unsigned long micros() { return 1000 * millis(); }

void delay(unsigned long ms) { now_ms += ms; }

void SerialLine::begin(unsigned long) {}

int SerialLine::available() { return static_cast<int>(typed.size()); }

int SerialLine::read() {
    const char c = typed.front();
    typed.pop_front();
    return c;
}

size_t SerialLine::print(const char *text) {
    static bool fresh = true;
    for (const char *at = text; *at != '\0'; at++) {
        std::cout << (fresh ? "serial " : "");
        fresh = *at == '\n';
        if (*at != '\r') {
            std::cout << *at;
        }
    }
    return std::string(text).size();
}

size_t SerialLine::write(const char *text, size_t count) { return print(std::string(text, count).c_str()); }

size_t SerialLine::println(const char *text) { return print(text) + print("\r\n"); }

BLECharacteristic::BLECharacteristic(const char *uuid, uint16_t permissions, int valueSize, bool)
    : local(new StandInCharacteristic{uuid, permissions, static_cast<size_t>(valueSize), {}, false, {}}) {}

const uint8_t *BLECharacteristic::value() const { return local->value.data(); }

int BLECharacteristic::valueLength() const { return static_cast<int>(local->value.size()); }

int BLECharacteristic::writeValue(const uint8_t value[], int length) {
    local->value.assign(value, value + length);
    if (!connected || !local->subscribed) {
        return 1;
    }
    if (busy > 0) {
        return 0;
    }
    if (local->value.size() > most_in_a_notification) {
        stop("a notification is too long");
    }
    std::cout << "notify " << local->uuid.substr(4, 4) << " " << hex(local->value) << "\n";
    return length;
}

bool BLECharacteristic::subscribed() { return local->subscribed; }

void BLECharacteristic::setEventHandler(int event, BLECharacteristicEventHandler eventHandler) {
    local->handlers[event] = eventHandler;
}

int BLELocalDevice::begin() { return dead ? 0 : 1; }

void BLELocalDevice::poll() {
    for (; !events.empty(); events.pop_front()) {
        happen(events.front());
    }
}

int BLELocalDevice::advertise() {
    advertising = true;
    std::cout << "advertise\n";
    return 1;
}

void BLELocalDevice::setLocalName(const char *localName) { std::cout << "name " << localName << "\n"; }

void BLELocalDevice::setAdvertisedService(const BLEService &service) { std::cout << "service " << service.uuid << "\n"; }

void BLELocalDevice::addService(BLEService &service) { known = service.characteristics; }

void BLELocalDevice::setEventHandler(BLEDeviceEvent event, BLEDeviceEventHandler eventHandler) {
    handlers[event] = eventHandler;
}

int main(int argc, char **) {
    std::string line;
    dead = argc > 1;
    setup();
    std::cout << "cache " << nrf_nvmc.ICACHECNF << "\n";
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string word;
        int count = 0;
        words >> word;
        if (word == "say") {
            const std::string text = line.substr(4) + "\n";
            typed.insert(typed.end(), text.begin(), text.end());
        } else if (word == "busy") {
            words >> busy;
        } else if (word == "turns") {
            for (words >> count; count > 0; count--) {
                loop();
                busy -= busy > 0 ? 1 : 0;
            }
        } else {
            events.push_back(line);
        }
    }
    return 0;
}
