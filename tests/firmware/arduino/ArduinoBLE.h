/*
 * What edgekd's sketch uses of ArduinoBLE 1.3.7, for this computer: one central, played by ble_central.cpp. As in the
 * library, copies of a characteristic are one and the same, handlers run within poll(), and subscriptions end with the
 * connection.
 */
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

enum BLEProperty { BLERead = 0x02, BLEWriteWithoutResponse = 0x04, BLEWrite = 0x08, BLENotify = 0x10 };
enum BLECharacteristicEvent { BLESubscribed = 0, BLEUnsubscribed = 1, BLEWritten = 3 };
enum BLEDeviceEvent { BLEConnected = 0, BLEDisconnected = 1 };

class BLEDevice {};
class BLECharacteristic;

typedef void (*BLECharacteristicEventHandler)(BLEDevice device, BLECharacteristic characteristic);
typedef void (*BLEDeviceEventHandler)(BLEDevice device);

struct StandInCharacteristic {
    std::string uuid;
    unsigned properties;
    size_t size;
    std::vector<uint8_t> value;
    bool subscribed;
    BLECharacteristicEventHandler handlers[4];
};

class BLECharacteristic {
  public:
    BLECharacteristic(const char *uuid, uint16_t permissions, int valueSize, bool fixedLength = false);
    const uint8_t *value() const;
    int valueLength() const;
    int writeValue(const uint8_t value[], int length);
    bool subscribed();
    void setEventHandler(int event, BLECharacteristicEventHandler eventHandler);

    StandInCharacteristic *local;
};

class BLEService {
  public:
    explicit BLEService(const char *uuid) : uuid(uuid) {}
    void addCharacteristic(BLECharacteristic &characteristic) { characteristics.push_back(characteristic.local); }

    std::string uuid;
    std::vector<StandInCharacteristic *> characteristics;
};

class BLELocalDevice {
  public:
    int begin();
    void poll();
    int advertise();
    void setLocalName(const char *localName);
    void setAdvertisedService(const BLEService &service);
    void addService(BLEService &service);
    void setEventHandler(BLEDeviceEvent event, BLEDeviceEventHandler eventHandler);
};

extern BLELocalDevice BLE;
