"""Training of a teacher: by labels and, if it predicts gaze, by the gaze too."""

from __future__ import annotations

import keras

from losses import LossSettings
from losses.gaze import SALIENCY
from models.distiller import tap_shapes
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
        **kwargs,
    ):
        settings = LossSettings(
            gaze=gaze if predicts_gaze(teacher) else 0.0,
            label_smoothing=label_smoothing,
            gaze_uniform_share=gaze_uniform_share,
            warmup=0.0,
        ).without_teacher()
        taps = (SALIENCY,) if settings.gaze else ()
        objective = Objective(settings, tap_shapes(teacher, taps), {})
        super().__init__(teacher, objective, taps=taps, **kwargs)
