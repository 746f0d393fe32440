#pragma once

#include <stdint.h>

namespace tflite {

struct Model {
    uint32_t version() const { return 3; }
};

const Model *GetModel(const void *data);

}  // namespace tflite
