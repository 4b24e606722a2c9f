"""What the metadata of a Keras model say of the model itself and of the data set that it learned from."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import keras

from data.dataset import Dataset
from evaluation.complexity import count_macs


def described(model: keras.Model, data: Dataset) -> dict[str, Any]:
    """Fields of `Metadata`: classes, frames, parameters, MACs, versions, the data set's checksum.

    Args:
        model: Functional Keras 3 model.
        data: that it was trained on.
    """
    return {
        "classes": data.classes,
        "frame_size": data.frame_size,
        "fit": data.fit,
        "fan": data.fan,
        "inputs": tuple(getattr(tensor, "name", "frame") for tensor in model.inputs),
        "params": model.count_params(),
        "macs": count_macs(model),
        "version": f"tensorflow {version('tensorflow')}, keras {version('keras')}",
        "dataset_checksum": data.checksum,
    }
