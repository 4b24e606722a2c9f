"""The size of a student: zeros, distinct values, bytes, bytes after a general compressor."""

from __future__ import annotations

import dataclasses
import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING:
    from quantization.legacy import LegacyModel

GZIP_LEVEL = 9
_KERNELS = ("Conv2D", "Dense")
_WITH_KERNEL = ("CONV_2D", "FULLY_CONNECTED")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One kernel, counted.

    Attributes:
        weights: how many.
        zeros: how many of them are exactly 0.
        distinct: different values in all of the kernel.
        distinct_per_channel: most different values in one output channel. Batch
            normalisation is folded into an exported kernel by a factor for each channel, so
            this is what stays true in a `.tflite` file.
    """

    weights: int
    zeros: int
    distinct: int
    distinct_per_channel: int


def gzipped_bytes(path: str | os.PathLike) -> int:
    """Bytes of a file after gzip (RFC 1952) at level 9: what a download takes."""
    return len(gzip.compress(Path(path).read_bytes(), GZIP_LEVEL, mtime=0))


def count_kernels(model: keras.Model | LegacyModel) -> dict[str, Kernel]:
    """The kernels of the Conv2D and Dense layers, Keras 3 or `tf_keras`, by layer name.

    Depthwise kernels are left out: TF-MOT neither prunes nor clusters them.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ in _KERNELS]
    return {layer.name: _count(keras.ops.convert_to_numpy(layer.kernel)) for layer in layers}


def count_tflite_kernels(path: str | os.PathLike) -> dict[str, Kernel]:
    """The same of a `.tflite` file in dense encoding, read from the file, by tensor name."""
    return {name: _count(np.moveaxis(kernel, 0, -1)) for name, kernel in tflite_kernels(path).items()}


def tflite_kernels(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Kernels [out, ...] of the convolutions and dense layers of a `.tflite` file, as stored."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    wanted = {getattr(schema.BuiltinOperator, name) for name in _WITH_KERNEL}
    types = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    kernels = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if codes[operator.opcodeIndex] not in wanted:
                continue
            tensor = graph.tensors[operator.inputs[1]]
            data = model.buffers[tensor.buffer].data
            if tensor.type in types and data is not None:
                kernels[tensor.name.decode()] = np.frombuffer(bytes(data), types[tensor.type]).reshape(tensor.shape)
    return kernels


def sparsity(kernels: dict[str, Kernel]) -> float:
    """Share of zeros in all kernels together."""
    return sum(kernel.zeros for kernel in kernels.values()) / sum(kernel.weights for kernel in kernels.values())


def _count(kernel: np.ndarray) -> Kernel:
    rows = kernel.reshape(-1, kernel.shape[-1]).T
    most = max(len(np.unique(row)) for row in rows)
    return Kernel(kernel.size, int(np.sum(kernel == 0)), len(np.unique(kernel)), most)
