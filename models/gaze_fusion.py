"""How a teacher takes the gaze in: one of four ways, the same for every family."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras
from keras import ops

from common.errors import InputError
from common.tensors import Shape, Tensor
from data.saliency import map_size

FUSIONS = ("multiply", "concat", "early", "none")
STRIDES = (2, 4, 8, 16)


@dataclasses.dataclass(frozen=True)
class GazeOptions:
    """How a teacher takes the gaze in; its fields are options of every family that has it.

    Attributes:
        fusion: one of `FUSIONS`; "none" has no gaze input: a conventional model.
        fusion_stride: where multiply and concat fuse: one stride or several.
        gaze_dropout: share of the training samples that get the uniform map.
    """

    fusion: str = "multiply"
    fusion_stride: int | Sequence[int] = 8
    gaze_dropout: float = 0.3


GAZE = GazeOptions()


class GazeFusion:
    """The gaze input of a builder and the one place where it meets the features.

    A builder starts from `frame`, and passes its features through the object wherever
    their grid reaches a stride: `x = fused(x, 8)`. At the stride that was chosen they come
    back fused, anywhere else as they are. The frame itself is stride 1.

    - multiply: features × (1 + a·gaze), see `GazeModulation`.
    - concat: the gaze as one more channel, mixed in by a 1×1 convolution that starts at zero
      and is added to the features. The teacher starts as the network without gaze, and any
      pretrained weights of that network fit.
    - early: the gaze, enlarged to the frame, as one more channel of the frame.
    - none: no gaze input at all.

    Args:
        keras_module: the Keras to build with.
        model: the model's name, for errors.
        frame_shape: (H, W, C).
        options: how the gaze is taken in.
        strides: that the family offers.

    Attributes:
        frame: the frame input, [B, H, W, C].
        inputs: of the model: [frame, gaze], or frame alone.

    Raises:
        InputError: a fusion or stride that does not exist.
    """

    def __init__(
        self,
        keras_module: ModuleType,
        model: str,
        frame_shape: tuple[int, int, int],
        options: GazeOptions,
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        fusion, stride = options.fusion, options.fusion_stride
        if fusion not in FUSIONS:
            raise InputError(f"model {model}: fusion {fusion!r} is none of {', '.join(FUSIONS)}")
        wanted: tuple = tuple(stride) if isinstance(stride, (list, tuple)) else (stride,)
        if fusion in ("multiply", "concat"):
            for one in wanted or (stride,):
                if one not in strides:
                    known = ", ".join(map(str, strides))
                    raise InputError(f"model {model}: fusion_stride {one!r} is none of {known}")
        self._keras, self._fusion = keras_module, fusion
        self._strides = (1,) if fusion == "early" else wanted
        self.inputs = self.frame = keras_module.Input(frame_shape, name="frame")
        if fusion != "none":
            gaze = keras_module.Input(map_size(frame_shape[:2]), name="gaze")
            self.inputs = [self.frame, gaze]
            self._gaze = GazeDropout(options.gaze_dropout, name="gaze_dropout", dtype="float32")(gaze)

    def __call__(self, x: Tensor, stride: int, gain: float = 1.0) -> Tensor:
        """`x` [B, h, w, C] fused, if this is such a stride; `gain` is that of `GazeChannel`."""
        if self._fusion == "none" or stride not in self._strides:
            return x
        suffix = f"_{stride}" if len(self._strides) > 1 else ""
        if self._fusion == "multiply":
            return GazeModulation(name=f"gaze_modulation{suffix}")([x, self._gaze])
        both = GazeChannel(gain, name=f"gaze_channel{suffix}")([x, self._gaze])
        if self._fusion == "early":
            return both
        layers = self._keras.layers
        mixed = layers.Conv2D(x.shape[-1], 1, use_bias=False, kernel_initializer="zeros", name=f"gaze_mix{suffix}")(
            both
        )
        return layers.Add(name=f"gaze_add{suffix}")([x, mixed])


@keras.saving.register_keras_serializable(package="gaze")
class GazeDropout(keras.layers.Layer):
    """Replace the map by the uniform one for a share of the training samples.

    Teaches the teacher to work without gaze too, and keeps it from recognising the class
    by the gaze alone. Identity at inference.

    Input and output shape: [B, h, w], a density that sums to 1.

    Args:
        rate: share of the samples, in [0, 1).
        seed: of the draws.
    """

    def __init__(self, rate: float = 0.3, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), not {rate}")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, gaze: Tensor, training: bool | None = None) -> Tensor:
        if not training or not self.rate:
            return gaze
        draw = keras.random.uniform((ops.shape(gaze)[0], 1, 1), seed=self.seed_generator, dtype="float32")
        uniform = ops.ones_like(gaze) / (gaze.shape[1] * gaze.shape[2])
        return ops.where(draw < self.rate, uniform, gaze)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class _OnGrid(keras.layers.Layer):
    """A layer over features [B, h, w, C] and gaze [B, h', w'] that sums to 1."""

    def build(self, input_shape: Sequence[Shape]) -> None:
        features, gaze = input_shape
        self.scale = float(features[1] * features[2]) ** 0.5
        self.resize = tuple(features[1:3]) != tuple(gaze[1:3])
        self.grid = tuple(features[1:3])

    def scaled(self, gaze: Tensor) -> Tensor:
        """The density on the features' grid × sqrt(cells): float32 [B, h, w, 1].

        A blob then peaks at a few units and the uniform map is `1/sqrt(cells)`, nearly
        nothing, so that a frame without gaze passes nearly unchanged. It is area-resized
        when the features' grid is another one.
        """
        gaze = ops.expand_dims(ops.cast(gaze, "float32"), -1)
        if self.resize:
            gaze = ops.image.resize(gaze, self.grid, interpolation="bilinear", antialias=True)
            gaze = gaze / ops.maximum(ops.sum(gaze, axis=(1, 2), keepdims=True), 1e-12)
        return gaze * self.scale


@keras.saving.register_keras_serializable(package="gaze")
class GazeModulation(_OnGrid):
    """Multiply a feature map by 1 + a·G, with one learned a for each channel.

    G is the gaze density scaled by `sqrt(cells)`.

    Input: features [B, h, w, C], gaze [B, h', w'] that sums to 1. Output: [B, h, w, C].

    Args:
        initial: first value of a.
    """

    def __init__(self, initial: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: Sequence[Shape]) -> None:
        super().build(input_shape)
        self.strength = self.add_weight(
            shape=(input_shape[0][-1],), initializer=keras.initializers.Constant(self.initial), name="strength"
        )

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        features, gaze = inputs
        factor = 1.0 + ops.cast(self.strength, "float32") * self.scaled(gaze)
        return features * ops.cast(factor, features.dtype)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable(package="gaze")
class GazeChannel(_OnGrid):
    """Append the gaze to a feature map, or to the frame, as its last channel.

    It is the density scaled by `sqrt(cells)`: on a frame in [0, 1], a blob then peaks
    around 1, as the frame does.

    Input: features [B, h, w, C], gaze [B, h', w'] that sums to 1. Output: [B, h, w, C + 1].

    Args:
        gain: the channel is multiplied by it, for features of another magnitude.
    """

    def __init__(self, gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        features, gaze = inputs
        channel = ops.cast(self.gain * self.scaled(gaze), features.dtype)
        return ops.concatenate([features, channel], axis=-1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        features = tuple(input_shape[0])
        return (*features[:-1], features[-1] + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}
