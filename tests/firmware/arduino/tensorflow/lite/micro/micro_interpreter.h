#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#define TFLITE_SCHEMA_VERSION (3)

namespace tflite {

struct StandInTensor {
    int32_t bits; /* of one element */
    int32_t bytes;
    uint8_t *data;
};

/* Lets the test, at the other end of two pipes, run the graph with the real TFLite-Micro. */
class MicroInterpreter {
  public:
    MicroInterpreter(const Model *model, const MicroOpResolver &resolver, MicroAllocator *allocator)
        : model_(model), resolver_(resolver), allocator_(allocator) {}
    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    template <class T>
    T *typed_input_tensor(int index) {
        return typed<T>(inputs_, index);
    }
    template <class T>
    T *typed_output_tensor(int index) {
        return typed<T>(outputs_, index);
    }

  private:
    template <class T>
    T *typed(const std::vector<StandInTensor> &tensors, int index) {
        const size_t i = static_cast<size_t>(index);
        if (i >= tensors.size() || tensors[i].bits != static_cast<int32_t>(8 * sizeof(T))) {
            return nullptr;
        }
        return reinterpret_cast<T *>(tensors[i].data);
    }

    const Model *model_;
    const MicroOpResolver &resolver_;
    MicroAllocator *allocator_;
    int32_t number_ = -1;
    std::vector<StandInTensor> inputs_;
    std::vector<StandInTensor> outputs_;
};

}  // namespace tflite
