"""The C and C++ files for TensorFlow Lite Micro: the model as an array, what it needs, and an example.

`student_int8.h` and `.cc` need no other header, so that a build system without TensorFlow reads them too.
"""

from __future__ import annotations

from collections.abc import Sequence

_BYTES_A_LINE = 20
# Operators whose method of MicroMutableOpResolver is not their name in camel case.
_METHODS = {"BATCH_MATMUL": "BatchMatMul", "PADV2": "PadV2"}


def resolver_methods(operators: Sequence[str]) -> list[str]:
    """The methods of MicroMutableOpResolver, without `Add`: ["CONV_2D"] → ["Conv2D"]."""
    return [_METHODS.get(name) or "".join(map(_camel, name.split("_"))) for name in operators]


def header(
    classes: Sequence[str], frame_size: tuple[int, int], operators: Sequence[str], arena_bytes: int | None, size: int
) -> str:
    """`student_int8.h`: sizes, class names, operators, the smallest arena.

    Args:
        classes: class names. frame_size: (H, W), pixels. operators: builtin operators of the file.
        arena_bytes: as `engines.smallest_arena` counts; None where it was not measured.
        size: bytes of the model.
    """
    height, width = frame_size
    arena = (
        "// The smallest arena on a machine of 64 bits; with pointers of 32 bits less will do.\n"
        f"#define STUDENT_INT8_ARENA_BYTES {arena_bytes}"
        if arena_bytes is not None
        else "// The smallest arena was not measured: define STUDENT_INT8_ARENA_BYTES, ten times the model at most."
    )
    methods = " ".join(f"add({name})" for name in resolver_methods(operators))
    return f"""\
// An 8-bit classifier for TensorFlow Lite Micro. Written by export.py; see model_card.md.
// In: uint8 [1, {height}, {width}, 1], a grey frame, row by row.
// Out: uint8 [1, {len(classes)}]; a probability is a byte over the sum of all, which is 256 only nearly.
#ifndef STUDENT_INT8_H_
#define STUDENT_INT8_H_

#define STUDENT_INT8_HEIGHT {height}
#define STUDENT_INT8_WIDTH {width}
#define STUDENT_INT8_CLASSES {len(classes)}
{arena}

// Operators of the file: {", ".join(operators)}.
#define STUDENT_INT8_OPERATOR_COUNT {len(operators)}
#define STUDENT_INT8_OPERATORS(add) {methods}

#ifdef __cplusplus
extern "C" {{
#endif
extern const unsigned char student_int8_model[{size}];
extern const unsigned int student_int8_model_size;
extern const char* const student_int8_class_names[STUDENT_INT8_CLASSES];
#ifdef __cplusplus
}}
#endif

#endif  // STUDENT_INT8_H_
"""


def source(content: bytes, classes: Sequence[str]) -> str:
    """`student_int8.cc`: the bytes of the file, aligned as FlatBuffers want them, and the class names."""
    starts = range(0, len(content), _BYTES_A_LINE)
    array = ",\n".join(",".join(map(str, content[start : start + _BYTES_A_LINE])) for start in starts)
    names = ", ".join(c_string(name) for name in classes)
    return f"""\
// Written by export.py.
#include "student_int8.h"

alignas(16) const unsigned char student_int8_model[{len(content)}] = {{
{array}}};
const unsigned int student_int8_model_size = sizeof(student_int8_model);
const char* const student_int8_class_names[STUDENT_INT8_CLASSES] = {{{names}}};
"""


def c_string(text: str) -> str:
    """A C string literal of the text's UTF-8; each byte that is no plain character stands alone, in octal."""
    plain = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:;+/()")
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


EXAMPLE = """\
// One frame through TensorFlow Lite Micro. Needs C++17, student_int8.h and .cc, and the headers and the library of
// github.com/tensorflow/tflite-micro: "make -f tensorflow/lite/micro/tools/make/Makefile microlite" builds the library,
// and -I names that folder with its third_party downloads (flatbuffers, gemmlowp, ruy), as its own examples have it.
#include <cstdint>
#include <cstdio>

#include "student_int8.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

alignas(16) static uint8_t arena[STUDENT_INT8_ARENA_BYTES];

int main() {
  static tflite::MicroMutableOpResolver<STUDENT_INT8_OPERATOR_COUNT> resolver;
#define ADD(name) \\
  if (resolver.Add##name() != kTfLiteOk) return 1;
  STUDENT_INT8_OPERATORS(ADD)

  const tflite::Model* model = tflite::GetModel(student_int8_model);
  static tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) return 2;

  // A ramp in place of a frame: the first self-test of bundle.json. A frame is copied here row by row.
  uint8_t* frame = interpreter.input(0)->data.uint8;
  for (int y = 0; y < STUDENT_INT8_HEIGHT; ++y) {
    for (int x = 0; x < STUDENT_INT8_WIDTH; ++x) {
      frame[y * STUDENT_INT8_WIDTH + x] = static_cast<uint8_t>(7 * x + 13 * y);
    }
  }
  if (interpreter.Invoke() != kTfLiteOk) return 3;

  const uint8_t* answer = interpreter.output(0)->data.uint8;
  int sum = 0;  // 256 only nearly; class k is kept where answer[k] >= threshold * sum
  for (int k = 0; k < STUDENT_INT8_CLASSES; ++k) sum += answer[k];
  for (int k = 0; k < STUDENT_INT8_CLASSES; ++k) {
    std::printf("%s %d/%d\\n", student_int8_class_names[k], answer[k], sum);
  }
  return 0;
}
"""


def _camel(word: str) -> str:
    return word if word[0].isdigit() else word.capitalize()
