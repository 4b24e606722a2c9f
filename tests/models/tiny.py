"""Networks of a few hundred weights with the named taps, for what does not depend on size."""

import keras
import numpy as np

FRAME = (32, 32, 1)
MAP = (4, 4)
CLASSES = 3


@keras.saving.register_keras_serializable(package="tests")
class PassCounter(keras.layers.Layer):
    """The identity; counts its forward passes, in and out of graphs."""

    def build(self, shape):
        self.passes = self.add_weight(shape=(), dtype="int32", trainable=False, name="passes")

    def call(self, x):
        self.passes.assign_add(1)
        return x


def student(
    *,
    batch_norm=False,
    counter=False,
    regularizer=None,
    width=6,
    classes=CLASSES,
    taps=True,
    seed=0,
    saliency=False,
    first_pool=4,
    keras_module=keras,
):
    """frame [B, 32, 32, 1] → logits; taps stride8 [4, 4] and stride16 [2, 2]; with `saliency` it predicts a map."""
    keras.utils.set_random_seed(seed)
    layers = keras_module.layers
    inputs = keras_module.Input(FRAME, name="frame")
    x = PassCounter(name="counter")(inputs) if counter else inputs
    x = layers.AveragePooling2D(first_pool, name="pool")(x)
    x = layers.Conv2D(width, 3, 2, padding="same", kernel_regularizer=regularizer, name="conv8")(x)
    if batch_norm:
        x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="stride8" if taps else "relu8")(x)
    if saliency:
        place = layers.Conv2D(1, 1, name="saliency")(x)
        x = layers.Multiply(name="look")([x, layers.Activation("sigmoid", name="gate")(place)])
    x = layers.Conv2D(width, 3, 2, padding="same", name="conv16")(x)
    x = layers.ReLU(name="stride16")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras_module.Model(inputs, layers.Dense(classes, name="logits")(x), name="student")


def teacher(*, gaze=True, width=10, grid=8, classes=CLASSES, seed=1):
    """frame (and gaze) → logits; other widths than the student's, and stride8 on a grid of its own."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    frame = keras.Input(FRAME, name="frame")
    x = layers.AveragePooling2D(32 // grid, name="pool")(frame)
    x = layers.Conv2D(width, 3, padding="same", activation="relu", name="conv8")(x)
    inputs = frame
    if gaze:
        inputs = [frame, keras.Input(MAP, name="gaze")]
        place = layers.Reshape((*MAP, 1), name="channel")(inputs[1])
        if grid > MAP[0]:
            place = layers.UpSampling2D(grid // MAP[0], name="grid")(place)
        elif grid < MAP[0]:
            place = layers.AveragePooling2D(MAP[0] // grid, name="grid")(place)
        x = layers.Concatenate(name="fusion")([x, place])
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="stride8")(x)
    x = layers.Conv2D(width, 3, grid // 2, padding="same", activation="relu", name="stride16")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="teacher")


def batch(count=6, *, valid=None, label=None, weight=None, seed=0):
    """One batch of the data contract, as NumPy."""
    random = np.random.default_rng(seed)
    gaze = random.random((count, *MAP)).astype(np.float32) ** 6
    features = {
        "frame": random.random((count, *FRAME)).astype(np.float32),
        "gaze": gaze / gaze.sum(axis=(1, 2), keepdims=True),
        "gaze_valid": np.ones(count, bool) if valid is None else np.asarray(valid, bool),
    }
    label = random.integers(0, CLASSES, count) if label is None else np.asarray(label)
    weight = np.ones(count) if weight is None else np.asarray(weight)
    return features, label.astype(np.int32), weight.astype(np.float32)
