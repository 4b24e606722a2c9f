"""The student's saliency against the sonographer's gaze (Droste et al., IPMI 2019)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from common.errors import InputError
from common.grid import GAZE_TAP, map_size
from common.tensors import Tensor
from losses.registry import SHARE, Given, Option, Settings, Shapes, loss_term

SALIENCY_HEAD = "saliency_head"
# A model that predicts the map itself names that layer so: logits [B, h, w, 1].
SALIENCY = "saliency"


def gaze_saliency_loss(gaze: Tensor, map_logits: Tensor, uniform_share: float = 0.05) -> Tensor:
    """KL(G' ‖ softmax over all cells of the saliency head), G' = (1 − e)·G + e/N.

    The uniform share e bounds what one stray gaze sample can cost.

    Args:
        gaze: float [B, h, w], G, each sums to 1.
        map_logits: float [B, h, w], of the saliency head.
        uniform_share: e, in [0, 1].

    Returns:
        float32 [B], at least 0.

    Raises:
        InputError: the logits lie on another grid than the gaze.
    """
    grid, own = tuple(gaze.shape[1:]), tuple(map_logits.shape[1:])
    if grid != own:
        raise InputError(
            f"gaze loss: the gaze maps have the grid {_grid(grid)} and the saliency logits {_grid(own)}: give both the "
            "grid that map_size has for the frame"
        )
    cells = grid[0] * grid[1]
    target = ops.reshape(ops.cast(gaze, "float32"), (-1, cells))
    target = (1 - uniform_share) * target + uniform_share / cells
    log_p = ops.log_softmax(ops.reshape(ops.cast(map_logits, "float32"), (-1, cells)), axis=-1)
    log_target = ops.log(ops.maximum(target, 1e-30))  # 0·log 0 = 0
    return ops.sum(target * (log_target - log_p), axis=-1)


def saliency_head(settings: Settings, student: Shapes, teacher: Shapes) -> list[keras.layers.Layer]:
    """A 1×1 convolution on the student's map of the gaze's stride; none for a model that predicts the map itself.

    Raises:
        InputError: the tap's grid is not that of the gaze map.
    """
    if "frame" in student:
        name = SALIENCY if SALIENCY in student else GAZE_TAP
        height, width = student["frame"][:2]
        wanted, found = map_size((height, width)), tuple(student[name][:2])
        if found != wanted:
            raise InputError(
                f"gaze loss: the gaze map of a frame of {height}×{width} has the grid {_grid(wanted)}, and the layer "
                f"{name} {_grid(found)}: choose options or a frame size with which both are alike"
            )
    if SALIENCY in student:
        return []
    head = keras.layers.Conv2D(1, 1, dtype="float32", name=SALIENCY_HEAD)
    head.build((None, *student[GAZE_TAP]))
    return [head]


@loss_term(
    "gaze",
    default=0.3,
    help="divergence of the saliency head's map from the sonographer's gaze, over the frames with valid gaze",
    source="Droste et al., IPMI 2019",
    unit="nats",
    over="gaze",
    taps=(GAZE_TAP,),
    options=(Option("gaze_uniform_share", 0.05, "e of the gaze's target (1 − e)·G + e/N", SHARE),),
    heads=saliency_head,
    warms_up=True,
)
def gaze(given: Given) -> Tensor:
    """`gaze_saliency_loss` of the map that the model, or the head on its tap, predicts."""
    if SALIENCY in given.student:
        logits = given.student[SALIENCY]
    else:
        logits = given.heads[SALIENCY_HEAD](ops.cast(given.student[GAZE_TAP], "float32"))
    return gaze_saliency_loss(given.batch["gaze"], logits[..., 0], given.settings.gaze_uniform_share)


def _grid(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


@keras.saving.register_keras_serializable(package="losses")
class GazeSaliency(keras.losses.Loss):
    """`gaze_saliency_loss` as a Keras loss: y_true the gaze map, y_pred the head's logits."""

    def __init__(self, uniform_share: float = 0.05, name: str = "gaze_saliency", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.uniform_share = uniform_share

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return gaze_saliency_loss(y_true, y_pred, self.uniform_share)

    def get_config(self) -> dict:
        return {**super().get_config(), "uniform_share": self.uniform_share}
