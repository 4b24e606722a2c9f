"""Noise as a function of a frame's draw and a pixel's place, by whole numbers: the same in any batch."""

from __future__ import annotations

import tensorflow as tf

_MASK = (1 << 32) - 1


def uniform_noise(draw: tf.Tensor, *places: tf.Tensor) -> tf.Tensor:
    """Uniform in 0 to 1, with 24 bits, of a draw and of whole numbers.

    Args:
        draw: float32, uniform in ±1; each value is another noise.
        places: int64, which broadcast with `draw`.
    """
    state = tf.cast(draw * float(1 << 22), tf.int64) + (1 << 23)
    for place in places:
        state = _mixed(state * 0x9E3779B1 + place)
    return tf.cast(tf.bitwise.right_shift(_mixed(state), 8), tf.float32) / float(1 << 24)


def normal_noise(draw: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """About normal, mean 0: the sum of four uniform numbers, [B, height, width].

    Args:
        draw: float32 [B].
    """
    row = tf.range(tf.cast(height, tf.int64))[:, None]
    column = tf.range(tf.cast(width, tf.int64))
    of = draw[:, None, None]
    total = sum(uniform_noise(of, row, column, tf.constant(k, tf.int64)) for k in range(4))
    return total - 2.0


def _mixed(state: tf.Tensor) -> tf.Tensor:
    """A 32-bit integer whose bits depend on all bits of the state (multiply and shift, after Murmur3's finaliser)."""
    state = tf.bitwise.bitwise_and(state, _MASK)
    for factor, shift in ((0x85EBCA6B, 16), (0x42B2AE35, 13)):
        state = tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, shift))
        state = tf.bitwise.bitwise_and(state * factor, _MASK)
    return tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, 16))
