"""Training of a teacher: by labels and, if it predicts gaze, by the gaze too."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from common.grid import GAZE_TAP
from losses import LossSettings
from losses.gaze import SALIENCY
from models.distiller import check_taps, tap_shapes
from models.learner import Learner
from models.objective import Objective


def predicts_gaze(teacher: keras.Model) -> bool:
    """Whether a model has a layer `saliency`: logits [B, h, w, 1] of a gaze map."""
    return any(layer.name == SALIENCY for layer in teacher.layers)


class TeacherLearner(Learner):
    """Trains a teacher: L = CE(labels) + g · KL(G' ‖ spatial softmax of the map that it predicts).

    The second term is for a teacher that predicts its map (`predicts_gaze`, multi-task
    SonoEyeNet: Cai et al., MICCAI 2018; theirs has an adversarial part, here the divergence of
    Droste et al., IPMI 2019, teaches the map alone). It is over the frames with valid gaze;
    without any it is exactly 0. Every other teacher learns from the labels alone.

    Args:
        teacher: Functional model, inputs `frame` and, if fused, `gaze`, logits out.
        gaze: g.
        label_smoothing: of the labels, in [0, 1).
        gaze_uniform_share: e of G' = (1 − e)·G + e/N.

    Raises:
        InputError: a number out of its range, or a predicted map on another grid than the gaze maps.
    """

    def __init__(
        self,
        teacher: keras.Model,
        gaze: float = 0.0,
        label_smoothing: float = 0.0,
        gaze_uniform_share: float = 0.05,
        **kwargs: Any,
    ) -> None:
        options = LossSettings(label_smoothing=label_smoothing, gaze_uniform_share=gaze_uniform_share, warmup=0.0)
        settings = options.only(hard=1.0, gaze=gaze if predicts_gaze(teacher) else 0.0)
        taps = (SALIENCY,) if settings.gaze else ()
        objective = Objective(settings, tap_shapes(teacher, taps), {})
        super().__init__(teacher, objective, taps=taps, **kwargs)
        self._again = lambda copy: TeacherLearner(copy(teacher), gaze, label_smoothing, gaze_uniform_share)


class BlindLearner(Learner):
    """Trains a teacher's layers up to the gaze map's stride to predict the gaze from the frame alone.

    L = KL(G' ‖ spatial softmax of a 1×1 convolution on the map of stride 8), over the frames with valid gaze (Droste
    et al., IPMI 2019); no label is used, and the weights of the layers above stay as they are, while the statistics of
    their batch normalisation follow the frames. Whatever gaze input the teacher has gets the uniform map, in training
    as in evaluation, so that it cannot copy its target.

    Args:
        teacher: Functional model, inputs `frame` and, if fused, `gaze`, with a layer `stride8`.
        gaze_uniform_share: e of G' = (1 − e)·G + e/N.

    Raises:
        InputError: no such layer, or a map on another grid than the gaze maps.
    """

    def __init__(self, teacher: keras.Model, gaze_uniform_share: float = 0.05, **kwargs: Any) -> None:
        check_taps(teacher, (GAZE_TAP,))
        settings = LossSettings(gaze_uniform_share=gaze_uniform_share, warmup=0.0).only(gaze=1.0)
        objective = Objective(settings, tap_shapes(teacher, (GAZE_TAP,)), {})
        super().__init__(teacher, objective, taps=(GAZE_TAP,), **kwargs)
        self._again = lambda copy: BlindLearner(copy(teacher), gaze_uniform_share)

    def _seen(self, batch: dict) -> dict:
        shape = tf.shape(batch["gaze"])
        return {**batch, "gaze": tf.ones(shape) / tf.cast(shape[1] * shape[2], tf.float32)}
