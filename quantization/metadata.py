"""The metadata of an exported student: checked against the model that it goes with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from common.errors import InputError
from evaluation.artefacts import Metadata

if TYPE_CHECKING:
    import keras

    from quantization.legacy import LegacyModel


def for_export(metadata: Metadata, model: keras.Model | LegacyModel, tensors: dict) -> Metadata:
    """The metadata of a file that gives probabilities and takes and gives `tensors`.

    Args:
        metadata: of the student.
        model: Keras 3 or `tf_keras`, frame [B, H, W, C] → logits [B, K].
        tensors: description of the input and output, for `extra["tensors"]`.

    Raises:
        InputError: classes or frame size that are not the model's.
    """
    height, width = model.input_shape[1:3]
    if len(metadata.classes) != model.output_shape[-1]:
        raise InputError(
            f"model {metadata.name}: gives {model.output_shape[-1]} classes, its metadata names "
            f"{len(metadata.classes)}: give the metadata of the data set that it was trained on"
        )
    if metadata.frame_size != (height, width):
        raise InputError(
            f"model {metadata.name}: takes frames of {height}×{width}, its metadata says "
            f"{metadata.frame_size[0]}×{metadata.frame_size[1]}: give the metadata of this model"
        )
    return dataclasses.replace(
        metadata,
        output="probabilities",
        inputs=("frame",),
        extra={**metadata.extra, "tensors": tensors},
    )
