/* The stand-ins behind the headers here, and a main() that runs a sketch until its input ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "Arduino.h"
#include "nrf.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace {

constexpr int to_test = 3;
constexpr int from_test = 4;
constexpr unsigned long minute_ms = 60000;
constexpr uint8_t garbage = 0xA5;

unsigned long now_ms = 0;
int32_t interpreters = 0;

void send(const void *data, size_t bytes) {
    const char *at = static_cast<const char *>(data);
    while (bytes > 0) {
        const ssize_t sent = write(to_test, at, bytes);
        if (sent <= 0) {
            exit(4);
        }
        at += sent;
        bytes -= static_cast<size_t>(sent);
    }
}

void receive(void *data, size_t bytes) {
    char *at = static_cast<char *>(data);
    while (bytes > 0) {
        const ssize_t got = read(from_test, at, bytes);
        if (got <= 0) {
            exit(4);
        }
        at += got;
        bytes -= static_cast<size_t>(got);
    }
}

void send_number(int32_t number) { send(&number, sizeof number); }

int32_t receive_number() {
    int32_t number;
    receive(&number, sizeof number);
    return number;
}

/* Tensors follow each other from `at` on, on 16-byte boundaries. Returns where the next ones may lie. */
uint8_t *receive_tensors(std::vector<tflite::StandInTensor> &tensors, uint8_t *at) {
    tensors.resize(static_cast<size_t>(receive_number()));
    for (tflite::StandInTensor &tensor : tensors) {
        tensor.bits = receive_number();
        tensor.bytes = receive_number();
        tensor.data = at;
        at += (tensor.bytes + 15) / 16 * 16;
    }
    return at;
}

}  // namespace

SerialLine Serial;
NrfNvmc nrf_nvmc;

unsigned long millis() { return ++now_ms; }

unsigned long micros() { return 1000 * millis(); }

void delay(unsigned long ms) {
    now_ms += ms;
    if (now_ms > minute_ms) {
        exit(3);
    }
}

void SerialLine::begin(unsigned long) {}

int SerialLine::available() {
    const int c = getchar();
    return c == EOF ? 0 : (ungetc(c, stdin), 1);
}

int SerialLine::read() { return getchar(); }

size_t SerialLine::print(const char *text) { return fwrite(text, 1, strlen(text), stdout); }

size_t SerialLine::write(const char *text, size_t count) { return fwrite(text, 1, count, stdout); }

size_t SerialLine::println(const char *text) { return print(text) + print("\r\n"); }

namespace tflite {

const Model *GetModel(const void *data) { return static_cast<const Model *>(data); }

MicroAllocator *MicroAllocator::Create(uint8_t *arena, size_t bytes) {
    static MicroAllocator allocator;
    if (reinterpret_cast<uintptr_t>(arena) % 16 != 0) {
        return nullptr;
    }
    allocator.arena = arena;
    allocator.bytes = bytes;
    return &allocator;
}

TfLiteStatus MicroInterpreter::AllocateTensors() {
    number_ = interpreters++;
    send("A", 1);
    send_number(static_cast<int32_t>(allocator_->bytes));
    send_number(static_cast<int32_t>(resolver_.operators.size()));
    for (const std::string &name : resolver_.operators) {
        send_number(static_cast<int32_t>(name.size()));
        send(name.data(), name.size());
    }
    send(model_, static_cast<size_t>(receive_number()));
    if (receive_number() == 0) {
        return kTfLiteError;
    }
    receive_tensors(outputs_, receive_tensors(inputs_, allocator_->arena));
    return kTfLiteOk;
}

TfLiteStatus MicroInterpreter::Invoke() {
    send("I", 1);
    send_number(number_);
    for (const StandInTensor &input : inputs_) {
        send(input.data, static_cast<size_t>(input.bytes));
    }
    if (receive_number() == 0) {
        return kTfLiteError;
    }
    memset(allocator_->arena, garbage, allocator_->bytes); /* nothing but the outputs may be relied on */
    for (const StandInTensor &output : outputs_) {
        receive(output.data, static_cast<size_t>(output.bytes));
    }
    return kTfLiteOk;
}

}  // namespace tflite

void setup();
void loop();

int main() {
    setup();
    while (Serial.available() > 0) {
        loop();
    }
    return 0;
}
