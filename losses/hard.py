"""The true labels: cross-entropy."""

from __future__ import annotations

from keras import ops

from common.tensors import Tensor
from losses.invariances import shifted_logits
from losses.registry import Bounds, Given, Option, loss_term


def hard_label_loss(labels: Tensor, logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with the true labels; 0 for an unlabelled frame.

    Args:
        labels: int [B]; −1 = unlabelled.
        logits: float [B, K].
        label_smoothing: e, in [0, 1): the target is (1 − e)·one-hot + e/K (Szegedy et al. 2016,
            arXiv 1512.00567, section 7).

    Returns:
        float32 [B].
    """
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    labelled = ops.cast(labels >= 0, "float32")
    chosen = ops.one_hot(ops.maximum(labels, 0), log_p.shape[-1], dtype="float32")
    target = (1 - label_smoothing) * chosen + label_smoothing / log_p.shape[-1]
    return -labelled * ops.sum(target * log_p, axis=-1)


@loss_term(
    "hard",
    default=1.0,
    help="cross-entropy with the hard labels; in the sum its weight is multiplied by 1 − alpha",
    source="CE(y, z_s)",
    unit="nats",
    factor=lambda settings: settings.hard * (1 - settings.alpha),
    needs_label=True,
    options=(
        Option(
            "label_smoothing",
            0.0,
            "share of each hard label that is spread over all classes (Szegedy et al. 2016, arXiv 1512.00567)",
            Bounds(0, 1, high_open=True),
        ),
    ),
    invariances=(shifted_logits,),
)
def hard(given: Given) -> Tensor:
    """`hard_label_loss` of the student's logits."""
    return hard_label_loss(given.batch["label"], given.student["logits"], given.settings.label_smoothing)
