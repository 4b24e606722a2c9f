"""Attention transfer where the expert looked: the maps of squared activations, weighted by the gaze."""

from __future__ import annotations

from keras import ops

from common.tensors import Tensor
from losses.attention import ATTENTION_TAPS, attention_transfer_loss, on_one_grid
from losses.invariances import other_labels, scaled_features
from losses.registry import Given, loss_term


def gaze_attention_loss(gaze: Tensor, teacher_features: Tensor, student_features: Tensor) -> Tensor:
    """‖ GQ_s/‖GQ_s‖ − GQ_t/‖GQ_t‖ ‖² with Q = channel mean of F² and G the gaze map on Q's grid; in [0, 2].

    What student and teacher do far from the gaze counts for nothing. With a uniform G it is attention transfer.

    Args:
        gaze: float [B, h_g, w_g], not negative; its scale does not matter.
        teacher_features: float [B, h_t, w_t, C_t].
        student_features: float [B, h_s, w_s, C_s].

    Returns:
        float32 [B].
    """
    teacher, student = on_one_grid(teacher_features, student_features)
    seen = ops.cast(gaze, "float32")[..., None]
    if tuple(seen.shape[1:3]) != tuple(teacher.shape[1:3]):
        seen = ops.image.resize(seen, teacher.shape[1:3], interpolation="bilinear", antialias=True)
    peak = ops.max(seen, axis=(1, 2), keepdims=True)
    # The weight is of the energy, which is a square.
    weight = ops.sqrt(ops.maximum(seen / ops.where(peak > 0, peak, 1.0), 0.0))
    return attention_transfer_loss(ops.cast(teacher, "float32") * weight, ops.cast(student, "float32") * weight)


@loss_term(
    "gaze_attention",
    default=0.0,
    help="attention transfer weighted by the gaze, at attention_taps, over the frames with valid gaze",
    source="after Zagoruyko and Komodakis 2017; the weighting is ours",
    unit="squared distance",
    over="gaze",
    needs_teacher=True,
    needs_features=False,
    taps="attention_taps",
    options=(ATTENTION_TAPS,),
    warms_up=True,
    fades=True,
    zero_at_teacher=True,
    invariances=(scaled_features, other_labels),
)
def gaze_attention(given: Given) -> Tensor:
    """`gaze_attention_loss`, summed over the taps."""
    return sum(
        gaze_attention_loss(given.batch["gaze"], given.teacher[tap], given.student[tap])
        for tap in given.settings.attention_taps
    )
