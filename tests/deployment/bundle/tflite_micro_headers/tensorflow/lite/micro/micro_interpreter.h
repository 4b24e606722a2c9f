// A stand-in for a test: it declares what the bundle's example calls of TensorFlow Lite Micro, and does nothing.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/schema/schema_generated.h"

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
struct TfLiteTensor {
  union {
    uint8_t* uint8;
    int8_t* int8;
  } data;
};

namespace tflite {
class MicroOpResolver {};
class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& op_resolver, uint8_t* tensor_arena, size_t size);
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(size_t index);
  TfLiteTensor* output(size_t index);
};
}  // namespace tflite
