"""What is added to a `.tflite` file for a bundle: metadata and files inside, an RGB input, a list of operators."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

_METADATA = b"TFLITE_METADATA"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # equal contents, equal bytes


def with_metadata(content: bytes, metadata: bytes, files: Mapping[str, str]) -> bytes:
    """A `.tflite` file with metadata in it and text files behind it.

    The files are a ZIP archive at the end, as the metadata's schema wants it: a FlatBuffer is read from its beginning
    and an archive from its end, so that `unzip` opens the result too.

    Args:
        content: of a `.tflite` file.
        metadata: what `metadata_schema.pack` gives; it replaces what the file holds.
        files: {name: text}; the metadata refers to them by name.
    """
    model = _read(content)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [found for found in model.metadata or [] if found.name != _METADATA] + [entry]
    stream = io.BytesIO(_write(model))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), text.encode())
    return stream.getvalue()


def with_rgb_input(content: bytes) -> bytes:
    """The same model behind an input of [1, H, W, 3]: its first channel is taken by one STRIDED_SLICE.

    A grey image that is stored as colour has three equal channels, so nothing is lost.

    Args:
        content: of a `.tflite` file with one input [1, H, W, 1].

    Raises:
        ValueError: the input has another number of channels.
    """
    model = _read(content)
    (graph,) = model.subgraphs
    (number,) = graph.inputs
    grey = graph.tensors[number]
    _, height, width, channels = grey.shape
    if channels != 1:
        raise ValueError(f"the input has {channels} channels, not 1")
    colour = schema.TensorT()
    colour.type, colour.buffer, colour.quantization = grey.type, 0, grey.quantization
    colour.name, colour.shape = b"rgb_frame", np.array([1, height, width, 3], np.int32)
    colour.hasRank = True
    graph.tensors.append(colour)
    new = len(graph.tensors) - 1
    bounds = {"begin": [0, 0, 0, 0], "end": [1, height, width, 1], "strides": [1, 1, 1, 1]}
    constants = [_constant(model, f"channel_{name}", values) for name, values in bounds.items()]
    graph.operators.insert(0, _strided_slice(model, [new, *constants], number))
    graph.inputs = np.array([new], np.int32)
    for signature in model.signatureDefs or []:
        for entry in signature.inputs:
            entry.tensorIndex = new if entry.tensorIndex == number else entry.tensorIndex
    return _write(model)


def operators(content: bytes) -> list[str]:
    """The builtin operators of a `.tflite` file, each once, in the order of their first use: ["CONV_2D", ...]."""
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = _read(content)
    used = [model.operatorCodes[one.opcodeIndex] for graph in model.subgraphs for one in graph.operators]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in used]
    return list(dict.fromkeys(names[code] for code in codes))


def metadata_of(content: bytes) -> bytes | None:
    """The bytes of the metadata in a `.tflite` file; None if it has none."""
    model = _read(content)
    for entry in model.metadata or []:
        if entry.name == _METADATA:
            return bytes(bytearray(model.buffers[entry.buffer].data))
    return None


def _read(content: bytes) -> Any:
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def _write(model: Any) -> bytes:
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _constant(model: Any, name: str, values: list[int]) -> int:
    """The number of a new int32 tensor of the main graph that holds these values."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.array(values, "<i4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape = name.encode(), np.array([len(values)], np.int32)
    tensor.type, tensor.buffer = schema.TensorType.INT32, len(model.buffers) - 1
    tensor.hasRank = True
    (graph,) = model.subgraphs
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _strided_slice(model: Any, inputs: list[int], output: int) -> Any:
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.STRIDED_SLICE
    code.version = 2  # the first that takes 8-bit tensors
    model.operatorCodes.append(code)
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.StridedSliceOptions
    operator.builtinOptions = schema.StridedSliceOptionsT()
    return operator
