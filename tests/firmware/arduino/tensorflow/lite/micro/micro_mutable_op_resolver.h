#pragma once

#include <string>
#include <vector>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

namespace tflite {

class MicroOpResolver {
  public:
    std::vector<std::string> operators;
};

template <unsigned int count>
class MicroMutableOpResolver : public MicroOpResolver {
  public:
    TfLiteStatus AddAdd() { return add("AddAdd"); }
    TfLiteStatus AddAveragePool2D() { return add("AddAveragePool2D"); }
    TfLiteStatus AddConcatenation() { return add("AddConcatenation"); }
    TfLiteStatus AddConv2D() { return add("AddConv2D"); }
    TfLiteStatus AddDepthwiseConv2D() { return add("AddDepthwiseConv2D"); }
    TfLiteStatus AddFullyConnected() { return add("AddFullyConnected"); }
    TfLiteStatus AddLogistic() { return add("AddLogistic"); }
    TfLiteStatus AddMaxPool2D() { return add("AddMaxPool2D"); }
    TfLiteStatus AddMean() { return add("AddMean"); }
    TfLiteStatus AddMul() { return add("AddMul"); }
    TfLiteStatus AddPack() { return add("AddPack"); }
    TfLiteStatus AddQuantize() { return add("AddQuantize"); }
    TfLiteStatus AddRelu() { return add("AddRelu"); }
    TfLiteStatus AddRelu6() { return add("AddRelu6"); }
    TfLiteStatus AddReshape() { return add("AddReshape"); }
    TfLiteStatus AddRsqrt() { return add("AddRsqrt"); }
    TfLiteStatus AddSlice() { return add("AddSlice"); }
    TfLiteStatus AddSoftmax() { return add("AddSoftmax"); }
    TfLiteStatus AddSplit() { return add("AddSplit"); }
    TfLiteStatus AddSquaredDifference() { return add("AddSquaredDifference"); }
    TfLiteStatus AddStridedSlice() { return add("AddStridedSlice"); }
    TfLiteStatus AddSub() { return add("AddSub"); }
    TfLiteStatus AddSum() { return add("AddSum"); }
    TfLiteStatus AddTanh() { return add("AddTanh"); }
    TfLiteStatus AddUnidirectionalSequenceLSTM() { return add("AddUnidirectionalSequenceLSTM"); }
    TfLiteStatus AddUnpack() { return add("AddUnpack"); }

  private:
    TfLiteStatus add(const char *name) {
        if (operators.size() == count) {
            return kTfLiteError;
        }
        operators.push_back(name);
        return kTfLiteOk;
    }
};

}  // namespace tflite
