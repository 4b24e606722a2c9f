"""Other settings of a scanner, and other scanners: gain, dynamic range, far field, resolution and speckle of a frame.

Every frame is changed by its own draws alone: no result depends on which frames are in the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from data.augment_settings import Augmentation, draw_of, share_of
from data.pixel_noise import normal_noise

_BLACK = 0.02  # up to here a pixel is outside the fan, or holds no echo
_CHANGES = (
    "gain", "time_gain", "dynamic_range", "far_field", "blur", "resolution", "speckle",
)  # fmt: skip


def changes_appearance(settings: Augmentation) -> bool:
    """Whether `change_appearance` has anything to do."""
    return any(getattr(settings, name) for name in _CHANGES)


def change_appearance(frame: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    """Frames [B, H, W, 1] in [0, 1] as another scanner or another setting would show them.

    Args:
        frame: float32. draws: [B, n], of `random_draws` with these settings. s: how far each change may go.
    """
    echoes = tf.clip_by_value(frame / _BLACK - 0.5, 0.0, 1.0)
    if s.resolution:
        frame = _along_both(frame, s.resolution, draws, "resolution", _averaging)
    if s.blur:
        frame = _along_both(frame, s.blur, draws, "blur", _gaussian)
    if s.speckle:
        frame = _grain(frame, draws, s)
    if s.dynamic_range:
        factor = tf.exp(s.dynamic_range * draw_of(draws, "dynamic_range"))
        frame = 1.0 - (1.0 - frame) * factor[:, None, None, None]
    height = tf.shape(frame)[1]
    depth = (tf.range(height, dtype=tf.float32) + 0.5) / tf.cast(height, tf.float32)
    if s.far_field:
        frame = frame * tf.exp(s.far_field * draw_of(draws, "far_field")[:, None] * depth)[:, :, None, None]
    if s.gain:
        frame = frame + s.gain * draw_of(draws, "gain")[:, None, None, None]
    if s.time_gain:
        frame = frame + s.time_gain * _between_knots(depth, draws)[:, :, None, None]
    return tf.clip_by_value(frame, 0.0, 1.0) * echoes


def _between_knots(depth: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """[B, H]: the four draws of the time gain, linear between equal steps of depth."""
    total = tf.zeros_like(draws[:, :1] * depth)
    for knot in range(4):
        weight = tf.nn.relu(1.0 - tf.abs(3.0 * depth - knot))
        total += draw_of(draws, f"time_gain_{knot}")[:, None] * weight
    return total


def _along_both(
    frame: tf.Tensor, limit: float, draws: tf.Tensor, name: str, weights: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """A linear filter down and across, whose strength each frame draws for itself, as two matrix products."""
    down = weights(tf.shape(frame)[1], limit * share_of(draws, f"{name}_down"))
    across = weights(tf.shape(frame)[2], limit * share_of(draws, f"{name}_across"))
    return tf.matmul(tf.matmul(down, frame[..., 0]), across, transpose_b=True)[..., None]


def _gaussian(size: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """[B, size, size], rows that sum to 1."""
    place = tf.range(size, dtype=tf.float32)
    offset = (place[:, None] - place) / tf.maximum(sigma, 0.05)[:, None, None]
    weight = tf.exp(-0.5 * tf.square(offset))
    return weight / tf.reduce_sum(weight, axis=2, keepdims=True)


def _averaging(size: tf.Tensor, more: tf.Tensor) -> tf.Tensor:
    """[B, size, size]: the mean over cells of 1 + `more` pixels, then linear between the cells' centres."""
    step = (1.0 + more)[:, None, None]
    cell = tf.range(size, dtype=tf.float32)
    edge = tf.range(size, dtype=tf.float32)
    # Cells down the second axis: how much of each pixel lies in it.
    covered = tf.minimum((cell[:, None] + 1.0) * step, edge + 1.0) - tf.maximum(cell[:, None] * step, edge)
    covered = tf.nn.relu(covered)
    share = tf.reduce_sum(covered, axis=2, keepdims=True)
    mean = covered / tf.maximum(share, 1e-6)
    centre = (cell + 0.5) * step  # [B, 1, cells]
    hat = tf.nn.relu(1.0 - tf.abs((edge[:, None] + 0.5) - centre) / step)
    hat *= tf.transpose(tf.cast(share > 1e-6, tf.float32), [0, 2, 1])
    hat /= tf.maximum(tf.reduce_sum(hat, axis=2, keepdims=True), 1e-6)
    return tf.matmul(hat, mean)


def _grain(frame: tf.Tensor, draws: tf.Tensor, s: Augmentation) -> tf.Tensor:
    """Echoes times 1 + n, where n is normal noise of mean 0 in grains of the drawn size."""
    shape = tf.shape(frame)
    noise = normal_noise(draw_of(draws, "speckle_seed"), shape[1], shape[2])
    sigma = s.speckle_size * share_of(draws, "speckle_size") / 2.0
    down, across = _gaussian(shape[1], sigma), _gaussian(shape[2], sigma)
    noise = tf.matmul(tf.matmul(down, noise), across, transpose_b=True)
    spread = tf.sqrt(tf.reduce_mean(tf.square(noise), axis=(1, 2), keepdims=True))
    strength = s.speckle * share_of(draws, "speckle")[:, None, None]
    return tf.clip_by_value(frame * (1.0 + strength * noise / spread)[..., None], 0.0, 1.0)
