"""How large a model is and what it costs to run: parameters, MACs, bytes on disk, NetScore.

A MAC is one multiply-accumulate (two FLOPs). Convolutions and dense layers are
counted; biases, normalisation, activations and pooling are not, as is usual.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np


def count_macs(model: Any) -> int:
    """Multiply-accumulates of one forward pass on one frame.

    Every use of a kernel costs its size once per position it is applied at, so the
    count needs each layer's kernels and its output shape alone.

    Args:
        model: a built Functional or Sequential model, Keras 3 or tf_keras; nested models
            are counted too. Each layer is taken to be called once.

    Raises:
        ValueError: an output of unknown size, or a convolution this count does not know.
    """
    return sum(_layer_macs(layer) for layer in model.layers)


def count_params(model: Any) -> int:
    """Number of weights, trained or not."""
    return int(model.count_params())


def bytes_on_disk(path: str | os.PathLike) -> int:
    """Size of a file, or of all files in a folder."""
    path = Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def netscore(accuracy_percent: float, params_m: float, macs_g: float) -> float:
    """20·log10(a² / √(p·m)), with accuracy a in %, parameters p in millions, MACs m in G.

    −∞ for an accuracy of 0. Source: Wong, "NetScore", 2018, with α=2, β=γ=0.5; the
    logarithm is to base 10.

    Raises:
        ValueError: no parameters or no MACs.
    """
    if params_m <= 0 or macs_g <= 0:
        raise ValueError(f"NetScore of {params_m} M parameters and {macs_g} G MACs is not defined")
    if accuracy_percent <= 0:
        return -math.inf
    return 20 * math.log10(accuracy_percent**2 / math.sqrt(params_m * macs_g))


def _layer_macs(layer: Any) -> int:
    if hasattr(layer, "layers"):
        return count_macs(layer)
    kind = type(layer).__name__
    if kind == "Dense":
        return _size(layer.kernel) * math.prod(_sizes(layer)[:-1])
    if kind == "SeparableConv2D":
        positions = math.prod(_sizes(layer)) // layer.filters
        return (_size(layer.depthwise_kernel) + _size(layer.pointwise_kernel)) * positions
    if kind == "Conv2D":
        return _size(layer.kernel) * (math.prod(_sizes(layer)) // layer.filters)
    if kind == "DepthwiseConv2D":
        kernel = layer.kernel if hasattr(layer, "kernel") else layer.depthwise_kernel
        channels = kernel.shape[-2] * kernel.shape[-1]
        return _size(kernel) * (math.prod(_sizes(layer)) // channels)
    if "Conv" in kind:
        raise ValueError(f"layer {layer.name}: the MACs of a {kind} are not known here: add it to {__name__}")
    return 0


def _size(kernel: Any) -> int:
    return int(np.prod(kernel.shape))


def _sizes(layer: Any) -> tuple[int, ...]:
    """Output shape without the batch."""
    shape = tuple(layer.output.shape)[1:]
    if None in shape:
        raise ValueError(f"layer {layer.name}: output shape {shape} is not fixed, so its MACs are unknown")
    return shape
