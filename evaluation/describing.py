"""What the metadata of a Keras model say of the model itself and of the data set that it learned from."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import keras

from data.dataset import Dataset
from data.simulation import TRAINING, Simulated, simulated
from evaluation.artefacts.metadata import Metadata
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


def simulated_training(metadata: Metadata, data: Dataset) -> Simulated | None:
    """Whether an artefact learned from simulated frames: by its metadata, or by `data` if it was trained on that.

    Returns:
        None where neither says it.
    """
    if TRAINING in metadata.extra:
        return metadata.extra[TRAINING]
    return simulated(data.info, "train") if metadata.dataset_checksum == data.checksum else None
