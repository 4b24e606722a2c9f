"""A student with one layer of each kind, small enough to be trained, compressed and converted in a second."""

import contextlib
import dataclasses

import keras
import numpy as np
import pytest

import models
from losses import LossSettings
from models.distiller import build_objective
from quantization.finetune import FineTuning
from tests.quantization import blobs

NAME = "small"
# Layers that TF-MOT prunes and clusters; the depthwise one it leaves alone.
KERNELS = ("stem_conv", "point_conv", "logits")


def build(keras_module, frame_shape, num_classes):
    layers = keras_module.layers
    frame = keras_module.Input(frame_shape, name="frame")
    x = layers.Conv2D(8, 8, 8, use_bias=False, name="stem_conv")(frame)
    x = layers.ReLU(name="stride8")(layers.BatchNormalization(momentum=0.9, name="stem_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth_conv")(x)
    x = layers.ReLU(name="depth_relu")(layers.BatchNormalization(momentum=0.9, name="depth_bn")(x))
    x = layers.Conv2D(12, 1, 2, padding="same", use_bias=False, name="point_conv")(x)
    x = layers.ReLU(name="stride16")(layers.BatchNormalization(momentum=0.9, name="point_bn")(x))
    x = layers.Dropout(0.1, name="dropout")(layers.Flatten(name="flatten")(x))
    return keras_module.Model(frame, layers.Dense(num_classes, name="logits")(x), name=NAME)


ENTRY = models.registry.Entry(build, "student", ("stride8", "stride16"))


@contextlib.contextmanager
def registered():
    """The block knows it as a student of the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, NAME, ENTRY)
        yield


def tuning(student, steps=30, teacher=None, **changes):
    """Further training on the blobs by labels, or from a teacher."""
    loss = LossSettings() if teacher is not None else dataclasses.replace(LossSettings().without_teacher(), gaze=0.0)
    fields = {
        "objective": build_objective(student, teacher, loss),
        "batches": blobs.feed,
        "steps": steps,
        "steps_per_epoch": steps,
        "teacher": teacher,
        "learning_rate": 2e-3,
    }
    return FineTuning(**{**fields, **changes})


def kernels(model):
    return {name: keras.ops.convert_to_numpy(model.get_layer(name).kernel) for name in KERNELS}


def accuracy(model):
    images, labels = blobs.frames(200, seed=21)
    logits = model(images.astype(np.float32) / 255, training=False)
    return float((keras.ops.convert_to_numpy(logits).argmax(-1) == labels).mean())
