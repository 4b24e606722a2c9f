"""A model whose answers are known beforehand, frames that it answers, and its metadata."""

import keras
import numpy as np

from evaluation.artefacts import Decision, Metadata, OperatingPoint

CLASSES = ("left", "middle", "right")
SIZE = (48, 64)


def third(index: int, strength: int = 160, size=SIZE) -> np.ndarray:
    """Bright in the third `index`, dark elsewhere: uint8 [h, w]."""
    frame = np.full(size, 20, np.uint8)
    width = size[1] // 3
    frame[:, width * index : width * (index + 1)] = strength
    return frame


def build_model() -> keras.Model:
    """The brighter a third, the likelier its class: frame [B, 48, 64, 1] → logits [B, 3]."""
    frame = keras.Input((*SIZE, 1), name="frame")
    x = keras.layers.Activation("linear", name="stride8")(keras.layers.AveragePooling2D(8)(frame))
    x = keras.layers.Cropping2D(((0, 0), (1, 1)))(x)
    x = keras.layers.AveragePooling2D((6, 2))(x)
    return keras.Model(frame, 6 * keras.layers.Flatten()(x))


def point(time_constant_s: float, threshold: float) -> OperatingPoint:
    return OperatingPoint(time_constant_s, threshold, 0.9, 0.8, True)


def describe(**changes) -> Metadata:
    fields = {
        "name": "thirds",
        "classes": CLASSES,
        "frame_size": SIZE,
        "output": "logits",
        "stage": "student",
        "fit": "pad",
        "decision": Decision(0.9, 100, 10, True, point(0, 0.45), point(0.1, 0.5), point(0.1, 0.5)),
    }
    return Metadata(**{**fields, **changes})
