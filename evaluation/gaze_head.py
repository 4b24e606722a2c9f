"""The gaze head: frames in, a map of where a sonographer would look out.

A student that is trained with the gaze loss has a head that predicts the gaze map from its
features. The deployable student is saved without it; the run folder holds both together as
`student/gaze_map.keras`, a model frame [B, H, W, 1] → map [B, h, w] that sums to 1.
"""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np

from common.errors import InputError
from evaluation.artefacts import load_keras_model, read_metadata

NAME = "gaze_map.keras"
_BATCH = 64


def gaze_head_path(artefact_path: str | os.PathLike) -> Path | None:
    """The gaze head that lies in the same folder as an artefact; None if there is none."""
    path = Path(artefact_path).with_name(NAME)
    return path if path.is_file() else None


def load_gaze_head(path: str | os.PathLike) -> keras.Model:
    """The model of a `gaze_map.keras`: frame [B, H, W, 1] → map [B, h, w] that sums to 1.

    Raises:
        InputError: as `load_keras_model`, or an artefact that gives no gaze map.
    """
    if Path(path).is_file() and read_metadata(path).output != "gaze_map":
        raise InputError(f"{path}: gives classes, not gaze maps: name the {NAME} next to it")
    return load_keras_model(path)


def predict_gaze(model: str | os.PathLike | keras.Model, frames: np.ndarray) -> np.ndarray:
    """Where a sonographer would look on new frames.

    >>> maps = predict_gaze("runs/demo/student/gaze_map.keras", frames)

    Args:
        model: a `gaze_map.keras`, or the model that `load_gaze_head` or
            `Distiller.gaze_model()` gives.
        frames: one frame [H, W] or several [B, H, W] or [B, H, W, 1], grey, prepared as
            the training frames were; uint8, or float in [0, 1].

    Returns:
        float32 [B, h, w] at stride 8; each map is a density and sums to 1.

    Raises:
        InputError: a file that is no gaze head.
        ValueError: frames of another size, type or range.
    """
    if not isinstance(model, keras.Model):
        model = load_gaze_head(model)
    batch = _as_batch(np.asarray(frames), tuple(model.inputs[0].shape[1:3]))
    parts = [model(batch[k : k + _BATCH], training=False) for k in range(0, len(batch), _BATCH)]
    if not parts:
        return np.zeros((0, *model.output_shape[1:3]), np.float32)
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype(np.float32)


def _as_batch(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [B, H, W, 1] in [0, 1]."""
    shape = frames.shape
    if frames.ndim == 4 and shape[-1] == 1:
        frames = frames[..., 0]
    elif frames.ndim == 2:
        frames = frames[None]
    if frames.ndim != 3 or frames.shape[1:] != size:
        height, width = size
        raise ValueError(f"frames must be [B, {height}, {width}], not {list(shape)}: prepare them at this size")
    if frames.dtype == np.uint8:
        return (frames.astype(np.float32) / 255)[..., None]
    if frames.dtype.kind != "f":
        raise ValueError(f"frames must be uint8 or float in [0, 1], not {frames.dtype}")
    if frames.size and not (frames.min() >= 0 and frames.max() <= 1):
        raise ValueError(f"float frames must be in [0, 1], not {frames.min():g} to {frames.max():g}")
    return frames.astype(np.float32)[..., None]
