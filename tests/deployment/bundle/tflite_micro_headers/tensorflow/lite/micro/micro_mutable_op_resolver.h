// A stand-in for a test: the methods for the operators that this project's students use.
#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {
template <unsigned int count>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  TfLiteStatus AddConcatenation();
  TfLiteStatus AddConv2D();
  TfLiteStatus AddDepthwiseConv2D();
  TfLiteStatus AddFullyConnected();
  TfLiteStatus AddMaxPool2D();
  TfLiteStatus AddMean();
  TfLiteStatus AddQuantize();
  TfLiteStatus AddReshape();
  TfLiteStatus AddSoftmax();
};
}  // namespace tflite
