"""The names of a `.tflite` file's tensors: short, and each one once.

The converter names a tensor by every operation that was fused into it, joined by semicolons.
The names are 5 % of a small model, and cut to their last operation several tensors share one,
such as a bias and the activation that it feeds. TFLite looks tensors up by number, but
OpenVINO and tf2onnx look them up by name: the first then answers one class for every frame
without an error, the second stops.
"""

from __future__ import annotations

import os

from tensorflow.lite.tools import flatbuffer_utils


def with_short_names(content: bytes) -> bytes:
    """A `.tflite` file whose tensors are named by their last operation.

    Where several tensors of a graph would share a name, the second gets `_1` after it, and so on.

    Args:
        content: of the file; nothing but the names is changed.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for graph in model.subgraphs:
        short = [_last_operation(tensor.name.decode()) for tensor in graph.tensors]
        for tensor, name in zip(graph.tensors, unique(short)):
            tensor.name = name.encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def tensor_names(path: str | os.PathLike) -> list[str]:
    """The tensor names of a `.tflite` file's main graph, in stored order."""
    return [tensor.name.decode() for tensor in flatbuffer_utils.read_model(str(path)).subgraphs[0].tensors]


def unique(names: list[str]) -> list[str]:
    """The names, each once: a repeated one gets the first free number after it."""
    taken, result = set(names), []
    seen: set[str] = set()
    for name in names:
        chosen, number = name, 0
        while chosen in seen or (chosen != name and chosen in taken):
            number += 1
            chosen = f"{name}_{number}"
        seen.add(chosen)
        result.append(chosen)
    return result


def _last_operation(name: str) -> str:
    return "/".join(name.split(";")[0].split("/")[-2:])
