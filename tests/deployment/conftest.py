"""A model whose answers are known beforehand, clips that it answers, and artefacts of it."""

import keras
import numpy as np
import pytest

from evaluation.artefacts import Decision, Metadata, OperatingPoint, save_keras
from tests.data.clips import write_video

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


@pytest.fixture(scope="session")
def model():
    return build_model()


@pytest.fixture(scope="session")
def student(model, tmp_path_factory):
    """Path of the `.keras` artefact."""
    path = tmp_path_factory.mktemp("thirds") / "student.keras"
    save_keras(model, path, describe())
    return path


@pytest.fixture
def clip(tmp_path):
    """30 frames at 25 per s: ten of each class, the middle ones too faint to be sure of."""
    frames = [third(0)] * 10 + [third(1, 40)] * 10 + [third(2)] * 10
    return write_video(tmp_path / "clip.mkv", frames)
