"""Augmentation that moves a frame and its gaze points together.

Every draw is stateless: view v of frame i is one function of (seed, v, i), whatever the number of
threads or the batch, so a run repeats exactly and a resumed run goes on as it would have.
"""

from __future__ import annotations

import math

import tensorflow as tf

from data.appearance import change_appearance, changes_appearance
from data.augment_settings import DRAWS, Augmentation, draw_of, draws_at, random_draws
from data.marks import draw_marks, draws_marks

__all__ = ["DRAWS", "Augmentation", "augment_batch", "draws_at", "random_draws"]


def augment_batch(
    frame: tf.Tensor, x: tf.Tensor, y: tf.Tensor, draws: tf.Tensor, settings: Augmentation
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Augment a batch; what a frame becomes depends on itself and its own draws alone.

    Args:
        frame: float32 [B, H, W, 1] in [0, 1].
        x, y: float32 [B, P], gaze points normalised to the frame; NaN = no point.
        draws: float32 [B, n], from `random_draws` with these settings.
        settings: how far each change may go.

    Returns:
        The frame and the points after the same geometric change. A point may leave the
        frame: its coordinates then lie outside [0, 1], it is not clipped. Where the sector is
        cut, points stay on what has become black.
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
    if settings.sector_cut:
        moved = moved * _sector(tf.shape(frame), draws, settings)
    if changes_appearance(settings):
        moved = change_appearance(moved, draws, settings)
    moved = _change_grey(moved, draws, settings)
    return draw_marks(moved, draws, settings) if draws_marks(settings) else moved, x, y


def _sector(shape: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    """1 inside a sector, 0 outside, [B, H, W, 1]; each side cuts off up to `sector_cut` of the top, none below."""
    across = (tf.range(shape[2], dtype=tf.float32) + 0.5) / tf.cast(shape[2], tf.float32)
    down = (tf.range(shape[1], dtype=tf.float32) + 0.5) / tf.cast(shape[1], tf.float32)
    left, right = (
        s.sector_cut * tf.abs(draw_of(draws, name))[:, None, None] * (1.0 - down)[:, None]
        for name in ("cut_left", "cut_right")
    )
    inside = (across >= left) & (across <= 1.0 - right)
    return tf.cast(inside, tf.float32)[..., None]


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
    if s.depth:  # about the middle of the top, where the probe is
        scale = 1.0 / (1.0 + s.depth * draw_of(draws, "depth"))[:, None]
        linear, offset = _after(linear, offset, tf.concat([scale, scale], 1), tf.stack([(width - 1) / 2, 0.0]))
    if s.aspect:
        wide = tf.exp(-s.aspect * draw_of(draws, "aspect"))[:, None]
        linear, offset = _after(linear, offset, tf.concat([wide, tf.ones_like(wide)], 1), middle)
    return tf.concat([linear, offset[..., None]], axis=2)


def _after(linear: tf.Tensor, offset: tf.Tensor, scale: tf.Tensor, about: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The map after scaling its argument by `scale` [B, 2] about a point."""
    moved = offset + tf.reduce_sum(linear * (about * (1.0 - scale))[:, None, :], axis=2)
    return linear * scale[:, None, :], moved


def _move_points(x: tf.Tensor, y: tf.Tensor, matrix: tf.Tensor, shape: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.cast(tf.stack([shape[2], shape[1]]), tf.float32)  # (W, H)
    points = tf.stack([x, y], axis=-1) * size - 0.5  # to pixels: the left edge is at −0.5
    inverse = tf.linalg.inv(matrix[:, :, :2])
    points = tf.einsum("bij,bpj->bpi", inverse, points - matrix[:, None, :, 2])
    points = (points + 0.5) / size
    return points[..., 0], points[..., 1]


def _change_grey(frame: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    def column(index: int, limit: float) -> tf.Tensor:
        return limit * draws[:, index, None, None, None]

    frame = tf.pow(tf.clip_by_value(frame, 0.0, 1.0), tf.exp(column(6, s.gamma)))
    mean = tf.reduce_mean(frame, axis=(1, 2, 3), keepdims=True)
    frame = (frame - mean) * (1.0 + column(7, s.contrast)) + mean + column(8, s.brightness)
    return tf.clip_by_value(frame, 0.0, 1.0)
