"""How a teacher takes the gaze in: one layer that drops it, one that fuses it."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gaze")
class GazeDropout(keras.layers.Layer):
    """Replace the map by the uniform one for a share of the training samples.

    Teaches the teacher to work without gaze too, and keeps it from reading the class off
    the gaze alone. Identity at inference.

    Input and output shape: [B, h, w], a density that sums to 1.

    Args:
        rate: share of the samples, in [0, 1).
        seed: of the draws.
    """

    def __init__(self, rate: float = 0.3, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), not {rate}")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, gaze, training=None):
        if not training or not self.rate:
            return gaze
        draw = keras.random.uniform((ops.shape(gaze)[0], 1, 1), seed=self.seed_generator, dtype="float32")
        uniform = ops.ones_like(gaze) / (gaze.shape[1] * gaze.shape[2])
        return ops.where(draw < self.rate, uniform, gaze)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="gaze")
class GazeModulation(keras.layers.Layer):
    """Multiply a feature map by 1 + a·G, with one learned a for each channel.

    G is the gaze density scaled by `sqrt(cells)`: a blob then peaks at a few units and the
    uniform map is `1/sqrt(cells)`, nearly nothing, so that a frame without gaze passes
    nearly unchanged. It is area-resized when the feature map's grid is another one.

    Input: features [B, h, w, C], gaze [B, h', w'] that sums to 1. Output: [B, h, w, C].

    Args:
        initial: first value of a.
    """

    def __init__(self, initial: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape):
        features, gaze = input_shape
        self.scale = float(features[1] * features[2]) ** 0.5
        self.resize = tuple(features[1:3]) != tuple(gaze[1:3])
        self.grid = tuple(features[1:3])
        self.strength = self.add_weight(
            shape=(features[-1],), initializer=keras.initializers.Constant(self.initial), name="strength"
        )

    def call(self, inputs):
        features, gaze = inputs
        gaze = ops.expand_dims(ops.cast(gaze, "float32"), -1)
        if self.resize:
            gaze = ops.image.resize(gaze, self.grid, interpolation="bilinear", antialias=True)
            gaze = gaze / ops.maximum(ops.sum(gaze, axis=(1, 2), keepdims=True), 1e-12)
        factor = 1.0 + ops.cast(self.strength, "float32") * gaze * self.scale
        return features * ops.cast(factor, features.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}
