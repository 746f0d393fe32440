#pragma once

#include <stddef.h>
#include <stdint.h>

namespace tflite {

/* Hands out the arena. Like TFLite-Micro's, it lets interpreters compute in one and the same memory. */
class MicroAllocator {
  public:
    static MicroAllocator *Create(uint8_t *arena, size_t bytes);
    uint8_t *arena = nullptr;
    size_t bytes = 0;
};

}  // namespace tflite
