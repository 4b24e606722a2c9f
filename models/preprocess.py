"""What pretrained weights want done to a frame, inside the network that has them.

Every artefact takes frames in [0, 1]. A teacher whose weights were trained on something else
converts the frame itself, so that evaluation and deployment need not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from common.errors import InputError
from common.tensors import Shape, Tensor

if TYPE_CHECKING:
    from models.gaze_fusion import GazeFusion

PREPROCESSES = ("none", "imagenet")
# Of a frame that a teacher standardises: that of the frames which SonoNet's weights were trained on.
STANDARD_DEVIATION = 255.0

# Per channel: (frame × 255 − mean) / deviation, in the order in which the weights take the channels.
_IMAGENET = {
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),  # blue, green, red
    "torch": ((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
}


def imagenet_frame(fused: GazeFusion, model: str, preprocess: str, mode: str) -> Tensor:
    """The start of a network that ImageNet weights may go into.

    Args:
        fused: the builder's `GazeFusion`; its early gaze comes in here.
        model: the model's name, for errors.
        preprocess: "none" or "imagenet".
        mode: of `ImageNetFrame`.

    Returns:
        [B, H, W, C], what the first convolution takes.

    Raises:
        InputError: `preprocess` is neither.
    """
    if preprocess not in PREPROCESSES:
        raise InputError(f"model {model}: preprocess {preprocess!r} is none of {', '.join(PREPROCESSES)}")
    if preprocess == "none":
        return fused(fused.frame, 1)
    x = ImageNetFrame(mode, name="imagenet_frame", dtype="float32")(fused.frame)
    # The gaze must have the frame's magnitude, or it would have no influence.
    return fused(x, 1, gain=255.0 if mode == "caffe" else 1.0)


@keras.saving.register_keras_serializable(package="gaze")
class ImageNetFrame(keras.layers.Layer):
    """The three channels that `keras.applications` trained on, from frames in [0, 1].

    A grey frame is repeated: the network then answers as to the same picture in colour.
    The padding of the convolutions behind it is zero in the converted values, as it was
    in training; folding the conversion into the first kernel would be wrong at the border.

    Input: [B, H, W, 1] or [B, H, W, 3] (red, green, blue). Output: [B, H, W, 3].

    Args:
        mode: "caffe" (VGG, ResNet: blue, green, red, ×255, means taken off) or "torch"
            (DenseNet: means taken off, divided by standard deviations).
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in _IMAGENET:
            raise ValueError(f"mode must be one of {', '.join(_IMAGENET)}, not {mode!r}")
        self.mode = mode

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] not in (1, 3):
            raise ValueError(f"frames have {input_shape[-1]} channels, ImageNet weights want 1 or 3")
        self.reverse = self.mode == "caffe" and input_shape[-1] == 3

    def call(self, frame: Tensor) -> Tensor:
        mean, deviation = np.asarray(_IMAGENET[self.mode], "float32")
        if self.reverse:
            frame = ops.flip(frame, axis=-1)
        return (frame * 255.0 - mean) / deviation  # a grey frame is broadcast over the three

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], 3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="gaze")
class Standardise(keras.layers.Layer):
    """Each frame minus its mean, over its standard deviation, × 255 (Baumgartner et al., TMI 2017).

    The answer is the same for a frame of any gain and offset. A constant frame gives zeros.

    Input and output: [B, H, W, C].
    """

    def call(self, frame: Tensor) -> Tensor:
        centred = frame - ops.mean(frame, axis=(1, 2, 3), keepdims=True)
        variance = ops.mean(ops.square(centred), axis=(1, 2, 3), keepdims=True)
        # The floor lies far below one grey level's worth, and keeps 0/0 out.
        return centred * (STANDARD_DEVIATION / ops.sqrt(ops.maximum(variance, 1e-8)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
