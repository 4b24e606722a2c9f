"""Augmentation that moves a frame and its gaze points together.

Every draw is stateless: the same (seed, step) gives the same batch, whatever the
number of threads, so a run repeats exactly and a resumed run goes on as it would have.
"""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far each change may go; 0 (or False) switches it off.

    Attributes:
        flip_horizontal: mirror half of the frames left to right.
        flip_vertical: mirror half of the frames top to bottom.
        rotation_deg: uniform in ±rotation_deg.
        zoom: the scale factor is uniform in 1 ± zoom.
        shift: uniform in ±shift of the frame's height and width.
        brightness: added grey level, uniform in ±brightness (range [0, 1]).
        contrast: factor about the frame's mean, uniform in 1 ± contrast.
        gamma: exponent exp(u), u uniform in ±gamma.
    """

    flip_horizontal: bool = True
    flip_vertical: bool = False
    rotation_deg: float = 15.0
    zoom: float = 0.1
    shift: float = 0.06
    brightness: float = 0.1
    contrast: float = 0.25
    gamma: float = 0.2

    def __post_init__(self):
        for name in ("rotation_deg", "zoom", "shift", "brightness", "contrast", "gamma"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"augment.{name} {value}: must be a number of at least 0")
        if self.zoom >= 1:
            raise InputError(f"augment.zoom {self.zoom}: must be below 1, or a frame could shrink to nothing")


DRAWS = 9  # random numbers that one augmentation takes


def random_draws(count: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The random numbers of `count` augmentations: float32 [count, DRAWS], uniform in ±1.

    Args:
        count: of frames.
        seed: int [2]; the same seed gives the same numbers, whatever was drawn before.
    """
    return tf.random.stateless_uniform([count, DRAWS], tf.cast(seed, tf.int64), -1.0, 1.0)


def augment_batch(
    frame: tf.Tensor, x: tf.Tensor, y: tf.Tensor, draws: tf.Tensor, settings: Augmentation
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Augment a batch; what a frame becomes depends on itself and its own draws alone.

    Args:
        frame: float32 [B, H, W, 1] in [0, 1].
        x, y: float32 [B, P], gaze points normalised to the frame; NaN = no point.
        draws: float32 [B, DRAWS], see `random_draws`.
        settings: how far each change may go.

    Returns:
        The frame and the points after the same geometric change. A point may leave the
        frame: its coordinates then lie outside [0, 1], it is not clipped.
    """
    matrix = _output_to_input(tf.shape(frame), draws, settings)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=frame,
        transforms=tf.concat([tf.reshape(matrix, [-1, 6]), tf.zeros([tf.shape(frame)[0], 2])], axis=1),
        output_shape=tf.shape(frame)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    moved = tf.ensure_shape(moved, frame.shape)
    x, y = _move_points(x, y, matrix, tf.shape(frame))
    return _change_grey(moved, draws, settings), x, y


def _output_to_input(shape: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    """Affine matrices [B, 2, 3], in pixels, about the frame's middle."""
    count = shape[0]
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    angle = draws[:, 0] * math.radians(s.rotation_deg)
    scale = 1.0 + draws[:, 1] * s.zoom
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    flip_x = tf.where(draws[:, 2] < 0, -1.0, 1.0) if s.flip_horizontal else tf.ones([count])
    flip_y = tf.where(draws[:, 3] < 0, -1.0, 1.0) if s.flip_vertical else tf.ones([count])
    linear = tf.stack([tf.stack([cos * flip_x, -sin * flip_y], 1), tf.stack([sin * flip_x, cos * flip_y], 1)], 1)
    middle = tf.stack([(width - 1) / 2, (height - 1) / 2])  # pixel centres are at whole numbers
    shift = s.shift * draws[:, 4:6] * tf.stack([width, height])
    # Not `einsum`: a sum of two products must not depend on how many frames are in the batch.
    offset = middle + shift - tf.reduce_sum(linear * middle, axis=2)
    return tf.concat([linear, offset[..., None]], axis=2)


def _move_points(x, y, matrix, shape):
    size = tf.cast(tf.stack([shape[2], shape[1]]), tf.float32)  # (W, H)
    points = tf.stack([x, y], axis=-1) * size - 0.5  # to pixels: the left edge is at −0.5
    inverse = tf.linalg.inv(matrix[:, :, :2])
    points = tf.einsum("bij,bpj->bpi", inverse, points - matrix[:, None, :, 2])
    points = (points + 0.5) / size
    return points[..., 0], points[..., 1]


def _change_grey(frame, draws, s: Augmentation):
    def column(index, limit):
        return limit * draws[:, index, None, None, None]

    frame = tf.pow(tf.clip_by_value(frame, 0.0, 1.0), tf.exp(column(6, s.gamma)))
    mean = tf.reduce_mean(frame, axis=(1, 2, 3), keepdims=True)
    frame = (frame - mean) * (1.0 + column(7, s.contrast)) + mean + column(8, s.brightness)
    return tf.clip_by_value(frame, 0.0, 1.0)
