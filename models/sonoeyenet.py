"""SonoEyeNet (Cai et al., ISBI 2018) and Multi-task SonoEyeNet (Cai et al., MICCAI 2018).

The first is given the sonographer's gaze when it is used, not only when it is trained; the
second predicts the gaze map from the frame and looks through it.

What is known here of the two is what their abstracts and the group's later papers tell: a
heat map for each frame from the sonographers' gaze, several ways to fuse it with the frame's
features (SonoEyeNet); a standard-plane detector (SonoNet) fine-tuned with the gaze map as an
auxiliary task and as an attention module, trained against a discriminator that tells predicted
from real maps (Multi-task SonoEyeNet). Everything else is a choice of ours: where the map
enters, the heads, sizes, and all of the training. Ours has no discriminator: its map learns by
the divergence that Droste et al. (IPMI 2019) train theirs with.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import keras
from keras import ops

from common.errors import InputError
from common.tensors import Shape, Tensor
from losses.gaze import SALIENCY
from models import sononet
from models.gaze_fusion import GazeFusion, GazeModulation, GazeOptions
from models.layers import bn_relu, channels, check_frame, conv_bn_relu
from models.registry import register

_GAZE = GazeOptions(gaze_dropout=0.0)
_DECLARED: dict[str, Any] = {
    "taps": ("stride4", "stride8", "stride16"),
    "small": {"width": 0.5},
    "learns_behind_taps": ("classes_conv",),
}
FILTERS = (16, 32, 64)


@register("sonoeyenet", "teacher", parameters=932_436, **_DECLARED)
def build_sonoeyenet(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    filters: int = 16,
    gaze: GazeOptions = _GAZE,
    width: float = 1.0,
    standardise: bool = True,
    dropout: float = 0.2,
) -> keras.Model:
    """SonoNet's features with the gaze fused in; it is meant to have the gaze at test time too.

    The same network as `sononet_16` and its sisters but for gaze dropout, which these need to
    do without gaze and which is off here: a map is missed where there is none.

    Args:
        keras_module: `keras` (a teacher is never quantized).
        frame_shape: (H, W, C).
        num_classes: number of logits.
        filters: channels of the first layer: 16, 32 or 64.
        gaze: options fusion ("multiply", "concat" or "early"), fusion_stride (2, 4, 8 or 16, or a
            list of some) and gaze_dropout; see `models.gaze_fusion.GazeOptions`.
        width: multiplier of all channels.
        standardise: each frame, inside the network; the weights of SonoNet's authors need it.
        dropout: before the classifying convolution.

    Returns:
        Model {frame [B, H, W, C], gaze [B, h, w]} → logits [B, num_classes]; taps stride4, 8, 16.

    Raises:
        InputError: an option that can't be.
    """
    name = "sonoeyenet"
    _check(name, frame_shape, filters)
    if gaze.fusion == "none":
        raise InputError(
            f"model {name}: fusion 'none': it is the network that is given the gaze: choose multiply, concat "
            f"or early, or the model sononet_{filters}"
        )
    fused = GazeFusion(keras_module, name, frame_shape, gaze)
    x, gain = sononet.start(fused.frame, standardise)
    logits = sononet.classify(keras_module, fused(x, 1, gain), filters, num_classes, width, dropout, fused)
    return keras_module.Model(fused.inputs, logits, name=name)


@register("multitask_sonoeyenet", "teacher", parameters=947_796, predicts_gaze=True, **_DECLARED)
def build_multitask(
    keras_module: ModuleType,
    frame_shape: tuple[int, int, int],
    num_classes: int,
    *,
    filters: int = 16,
    width: float = 1.0,
    standardise: bool = True,
    dropout: float = 0.2,
) -> keras.Model:
    """SonoNet that predicts the gaze map from the frame and uses it as attention.

    At the stride of the gaze map a branch of the shape that Droste et al. use (depthwise 7×7, 1×1, 1×1 to one
    channel) predicts the map from the features behind the second of three convolutions; what
    goes into the third is multiplied by 1 + a·map, as a teacher multiplies by the real one
    (`GazeModulation`). The layer `saliency` gives the map's logits, on the grid of the data's
    gaze maps: with a loss on them it learns where the sonographer looked, without one it is an
    attention that learns from the classes alone.

    Args:
        keras_module, frame_shape, num_classes, filters, width, standardise, dropout: as `build_sonoeyenet`.

    Returns:
        Model frame [B, H, W, C] → logits [B, num_classes]; taps stride4, 8, 16; the layer
        `saliency` gives float32 [B, ⌈H/8⌉, ⌈W/8⌉, 1], logits whose softmax over all cells is the
        predicted gaze density.

    Raises:
        InputError: an option that can't be.
    """
    name = "multitask_sonoeyenet"
    _check(name, frame_shape, filters)
    frame = keras_module.Input(frame_shape, name="frame")

    def attended(x: Tensor) -> Tensor:
        layers = keras_module.layers
        map_ = layers.DepthwiseConv2D(7, padding="same", use_bias=False, name=f"{SALIENCY}_dw_conv")(x)
        map_ = bn_relu(keras_module, map_, name=f"{SALIENCY}_dw")
        map_ = conv_bn_relu(keras_module, map_, channels(filters * sononet.ADAPTATION, width), 1, name=f"{SALIENCY}_pw")
        # A softmax does not see a bias that all cells share.
        map_ = layers.Conv2D(1, 1, use_bias=False, dtype="float32", name=SALIENCY)(map_)
        density = SpatialSoftmax(name=f"{SALIENCY}_density", dtype="float32")(map_)
        return GazeModulation(name="gaze_modulation")([x, density])

    x, _ = sononet.start(frame, standardise)
    logits = sononet.classify(keras_module, x, filters, num_classes, width, dropout, attended=attended)
    return keras_module.Model(frame, logits, name=name)


@keras.saving.register_keras_serializable(package="gaze")
class SpatialSoftmax(keras.layers.Layer):
    """Logits of a map → a density over its cells: [B, h, w, 1] → [B, h, w], each sums to 1."""

    def call(self, logits: Tensor) -> Tensor:
        _, height, width, _ = logits.shape
        flat = ops.softmax(ops.reshape(logits, (-1, height * width)), axis=-1)
        return ops.reshape(flat, (-1, height, width))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape[:-1])


def _check(name: str, frame_shape: tuple[int, int, int], filters: int) -> None:
    if filters not in FILTERS:
        raise InputError(f"model {name}: filters {filters!r} is none of {', '.join(map(str, FILTERS))}")
    check_frame(name, frame_shape, 16)
