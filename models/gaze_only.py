"""A control that sees where the sonographer looked and nothing else: what does the gaze map alone tell of the class?"""

from __future__ import annotations

from types import ModuleType

import keras
from keras import ops

from common.tensors import Shape, Tensor
from data.saliency import map_size
from models.layers import channels, check_frame, conv_bn_relu
from models.registry import register

_UNITS = 64


@register("gaze_only", "teacher", taps=(), parameters=48_532, small={"width": 0.5})
def build(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    dropout: float = 0.3,
) -> keras.Model:
    """The gaze map's logits; the frame is an input, as of every teacher, and nothing comes of it.

    Three convolutions of 3×3 with a pooling behind each, and two fully connected layers: the network by which the
    card of a simulated data set is measured (`phantom.gaze_alone`). The last map is not pooled: where the gaze lies
    is part of what may tell. A teacher with gaze that is no better than this one has learned the class by the map.

    Args:
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        width: multiplier of all channels and hidden units.
        dropout: before each of the fully connected layers.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} → logits [B, num_classes]. It has no taps: what compares
        feature maps, and the pretraining on gaze, are refused.

    Raises:
        InputError: an option that can't be, or a frame too small.
    """
    check_frame("gaze_only", frame_shape)
    layers = keras_module.layers
    frame = keras_module.Input(frame_shape, name="frame")
    gaze = keras_module.Input(map_size(frame_shape[:2]), name="gaze")
    x = MapAmplitude(name="amplitude", dtype="float32")(gaze)
    for index, filters in enumerate((16, 32, 64), 1):
        x = conv_bn_relu(keras_module, x, channels(filters, width), 3, name=f"block{index}")
        x = layers.MaxPooling2D(2, padding="same", name=f"block{index}_pool")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(dropout, name="drop1")(x)
    x = layers.Dense(channels(_UNITS, width), activation="relu", kernel_initializer="he_normal", name="hidden")(x)
    x = layers.Dropout(dropout, name="drop2")(x)
    return keras_module.Model(
        [frame, gaze], layers.Dense(num_classes, dtype="float32", name="logits")(x), name="gaze_only"
    )


@keras.saving.register_keras_serializable(package="gaze")
class MapAmplitude(keras.layers.Layer):
    """√(density × cells): a uniform map becomes 1, and one blob's peak does not drown the rest.

    Input shape: [B, h, w], a density that sums to 1. Output shape: [B, h, w, 1].
    """

    def call(self, gaze: Tensor) -> Tensor:
        cells = gaze.shape[1] * gaze.shape[2]
        return ops.expand_dims(ops.sqrt(ops.maximum(gaze, 0.0) * cells), -1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, 1)
