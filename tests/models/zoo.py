"""Registered models, small enough to run, and what to feed them."""

import functools

import keras
import numpy as np

from models.registry import create, find, names, outline


@functools.cache
def count(name, frame_shape, classes, **options):
    """Number of parameters, from shapes alone: nothing is allocated."""
    return outline(name, frame_shape, classes, **options).count_params()


def frame_of(name, height=64, width=96, channels=1):
    """A frame shape that the model takes: the given one, enlarged where the family needs more."""
    times = max(1, -(-find(name).least_side // min(height, width)))
    return (times * height, times * width, channels)


def small(name, frame_shape=None, classes=3, **options):
    keras.utils.set_random_seed(3)
    return create(name, frame_shape or frame_of(name), classes, **{**find(name).small, **options})


@functools.cache
def full(name):
    """The model with default options for frames of 112×144 and 4 classes: shapes without values."""
    return outline(name, (112, 144, 1), 4)


def inputs_of(model, frames=4, seed=0):
    """Random frames and, if the model takes it, gaze."""
    random = np.random.default_rng(seed)
    values = [random.random((frames, *model.inputs[0].shape[1:])).astype(np.float32)]
    for tensor in model.inputs[1:]:
        gaze = random.random((frames, *tensor.shape[1:])).astype(np.float32) ** 8
        values.append(gaze / gaze.sum(axis=(1, 2), keepdims=True))
    return values if len(values) > 1 else values[0]


def families(role):
    """One name of each builder: sisters such as sononet_16 and sononet_32 are the same code."""
    return list({getattr(find(name).build, "func", find(name).build): name for name in names(role)}.values())
