"""The student's saliency against the sonographer's gaze (Droste et al., IPMI 2019)."""

from __future__ import annotations

import keras
from keras import ops


def gaze_saliency_loss(gaze, map_logits, uniform_share: float = 0.05):
    """KL(G' ‖ softmax over all cells of the saliency head), G' = (1 − e)·G + e/N.

    The uniform share e bounds what one stray gaze sample can cost.

    Args:
        gaze: float [B, h, w], G, each sums to 1.
        map_logits: float [B, h, w], of the saliency head.
        uniform_share: e, in [0, 1].

    Returns:
        float32 [B], at least 0.
    """
    cells = gaze.shape[1] * gaze.shape[2]
    target = ops.reshape(ops.cast(gaze, "float32"), (-1, cells))
    target = (1 - uniform_share) * target + uniform_share / cells
    log_p = ops.log_softmax(ops.reshape(ops.cast(map_logits, "float32"), (-1, cells)), axis=-1)
    log_target = ops.log(ops.maximum(target, 1e-30))  # 0·log 0 = 0
    return ops.sum(target * (log_target - log_p), axis=-1)


@keras.saving.register_keras_serializable(package="losses")
class GazeSaliency(keras.losses.Loss):
    """`gaze_saliency_loss` as a Keras loss: y_true the gaze map, y_pred the head's logits."""

    def __init__(self, uniform_share: float = 0.05, name: str = "gaze_saliency", **kwargs):
        super().__init__(name=name, **kwargs)
        self.uniform_share = uniform_share

    def call(self, y_true, y_pred):
        return gaze_saliency_loss(y_true, y_pred, self.uniform_share)

    def get_config(self):
        return {**super().get_config(), "uniform_share": self.uniform_share}
