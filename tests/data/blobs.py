"""Frames with one bright blob each, and where it is."""

import dataclasses

import numpy as np
import tensorflow as tf

from data.augment import Augmentation

FRAME = (64, 96)
# Every change switched off.
NONE = Augmentation(*(type(field.default)(0) for field in dataclasses.fields(Augmentation)))


def blobs(x, y, size=FRAME, sigma_px=2.5):
    """Frames [B, H, W, 1], dark grey but for a bright blob at each (x, y)."""
    rows, columns = np.arange(size[0])[:, None] + 0.5, np.arange(size[1])[None] + 0.5
    frames = [
        0.1 + 0.7 * np.exp(-((columns - a * size[1]) ** 2 + (rows - b * size[0]) ** 2) / (2 * sigma_px**2))
        for a, b in zip(x, y)
    ]
    return tf.constant(np.stack(frames)[..., None], tf.float32)


def centre_of_blob(frame):
    """(x, y), normalised, of the brightest part: the mean over what is above the background."""
    grey = frame[..., 0].astype(float)
    bright = np.clip(grey - (grey.max() + np.median(grey)) / 2, 0, None)
    rows, columns = np.arange(grey.shape[0]) + 0.5, np.arange(grey.shape[1]) + 0.5
    total = bright.sum()
    return (bright.sum(0) @ columns / total / grey.shape[1], bright.sum(1) @ rows / total / grey.shape[0])
