"""Gaze points → a saliency map (a density over the cells of a coarse grid)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from common.grid import GAZE_STRIDE, map_size

__all__ = ["DEFAULT_SIGMA", "GAZE_STRIDE", "map_size", "render_saliency"]

# Share of the frame's width. A published static prior has KLD 3.41 on a 28×36 grid, which
# bounds one blob's sigma to 3.9 % of the width; 3 % sits inside that bound (Droste et al. 2019).
DEFAULT_SIGMA = 0.03


def render_saliency(
    x: tf.Tensor,
    y: tf.Tensor,
    present: tf.Tensor,
    size: tuple[int, int],
    *,
    sigma: float = DEFAULT_SIGMA,
    aspect: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum of one isotropic Gaussian a point, normalised to sum 1 (Droste et al., IPMI 2019).

    A Gaussian over a grid is the product of two 1-D Gaussians, so all points of a
    frame together are one matrix product.

    Args:
        x, y: float [B, P], normalised to the frame, origin top left.
        present: bool [B, P]; a point that is absent or off the frame adds nothing.
        size: (h, w) of the map.
        sigma: standard deviation, share of the frame's *width*.
        aspect: frame width / frame height, so that the blob is round in pixels.

    Returns:
        map: float32 [B, h, w], each sums to 1; uniform where there is no point.
        valid: bool [B], whether the frame had a point on it.
    """
    height, width = size
    x, y = tf.cast(x, tf.float32), tf.cast(y, tf.float32)
    present = present & (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)  # a NaN compares false
    weight = tf.expand_dims(tf.cast(present, tf.float32), -1)
    columns = _gaussian(tf.where(present, x, 0.5), width, sigma)  # [B, P, w]
    rows = _gaussian(tf.where(present, y, 0.5), height, sigma * aspect)  # [B, P, h]
    density = tf.matmul(rows * weight, columns, transpose_a=True)
    total = tf.reduce_sum(density, axis=(1, 2), keepdims=True)
    valid = tf.reduce_any(present, axis=1)
    uniform = 1.0 / (height * width)
    density = tf.where(tf.reshape(valid, [-1, 1, 1]), density / tf.maximum(total, 1e-30), uniform)
    return tf.ensure_shape(density, [None, height, width]), valid


def _gaussian(centre: tf.Tensor, cells: int, sigma: float) -> tf.Tensor:
    """Values at the cells' middles, each row summing to 1: [B, P] → [B, P, cells].

    Each row is normalised on its own, so that a point at the frame's edge counts as
    much as one in the middle and a sigma far below a cell cannot underflow to nothing.
    """
    middles = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / np.float32(cells)
    return tf.nn.softmax(-0.5 * tf.square((middles - tf.expand_dims(centre, -1)) / sigma))
