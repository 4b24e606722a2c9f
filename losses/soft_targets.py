"""Hard labels and soft targets (Hinton, Vinyals and Dean 2015, arXiv 1503.02531)."""

from __future__ import annotations

import keras
from keras import ops


def hard_label_loss(labels, logits):
    """Cross-entropy with the true labels; 0 for an unlabelled frame.

    Args:
        labels: int [B]; −1 = unlabelled.
        logits: float [B, K].

    Returns:
        float32 [B].
    """
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    labelled = ops.cast(labels >= 0, "float32")
    chosen = ops.one_hot(ops.maximum(labels, 0), log_p.shape[-1], dtype="float32")
    return -labelled * ops.sum(chosen * log_p, axis=-1)


def soft_target_loss(teacher_logits, student_logits, temperature: float = 4.0):
    """T² · KL(softmax(z_t / T) ‖ softmax(z_s / T)).

    The T² keeps the gradient's size as T grows: for large T it tends to that of half the
    squared distance of the centred logits, divided by K (Hinton et al., section 2.1).

    Args:
        teacher_logits, student_logits: float [B, K].
        temperature: T, above 0.

    Returns:
        float32 [B], at least 0, and 0 only where both agree.
    """
    log_t = ops.log_softmax(ops.cast(teacher_logits, "float32") / temperature, axis=-1)
    log_s = ops.log_softmax(ops.cast(student_logits, "float32") / temperature, axis=-1)
    return temperature**2 * ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)


@keras.saving.register_keras_serializable(package="losses")
class SoftTargets(keras.losses.Loss):
    """`soft_target_loss` as a Keras loss: y_true the teacher's logits, y_pred the student's."""

    def __init__(self, temperature: float = 4.0, name: str = "soft_targets", **kwargs):
        super().__init__(name=name, **kwargs)
        self.temperature = temperature

    def call(self, y_true, y_pred):
        return soft_target_loss(y_true, y_pred, self.temperature)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
