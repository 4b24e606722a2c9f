"""What is logged of a step, by one definition: for the teacher, the student and its quantized copy.

- A loss term is the mean over the frames that it is over: all of them, or those with valid gaze.
  `loss` and `regularisation` are over all frames.
- `accuracy` is the share of the labelled frames whose class is right, each counting one, whatever
  the sample weights.
- `agreement` is the share of all frames on which student and teacher choose the same class.

A figure of an epoch weighs each batch by those frames, so that a small last batch counts less.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from losses import TERMS
from losses.replicas import sum_over_replicas

Measured = dict[str, tuple[tf.Tensor, tf.Tensor]]


def logged_names(terms: list[str], teacher: bool) -> list[str]:
    """Names of all that `measure` gives, for these terms of the loss."""
    return ["loss", *terms, "regularisation", "accuracy", *(["agreement"] if teacher else [])]


def measure(
    batch: Mapping[str, tf.Tensor],
    logits: tf.Tensor,
    teacher_logits: tf.Tensor | None,
    losses: Mapping[str, tf.Tensor],
) -> Measured:
    """What a step logs.

    Args:
        batch: `label` int [B] (−1 = unlabelled), `gaze_valid` bool [B] if a term is over it.
        logits: float [B, K].
        teacher_logits: float [B, K], or None.
        losses: `loss`, the terms and `regularisation`: each replica's share, which add up to
            the mean over the whole batch.

    Returns:
        {name: (mean, number of frames that it is over)}, float32 scalars. The means of the losses
        are those of the whole batch; the others, and all numbers of frames, are this replica's.
    """
    frames = tf.cast(tf.size(batch["label"]), tf.float32)
    measured = {}
    for name, share in losses.items():
        over_gaze = name in TERMS and TERMS[name].over == "gaze"
        count = tf.reduce_sum(tf.cast(batch["gaze_valid"], tf.float32)) if over_gaze else frames
        measured[name] = (sum_over_replicas(share), count)
    chosen = tf.argmax(logits, axis=-1, output_type=tf.int32)
    labelled = tf.cast(batch["label"] >= 0, tf.float32)
    right = tf.cast(chosen == batch["label"], tf.float32)
    count = tf.reduce_sum(labelled)
    measured["accuracy"] = (tf.math.divide_no_nan(tf.reduce_sum(right), count), count)
    if teacher_logits is not None:
        same = tf.cast(chosen == tf.argmax(teacher_logits, axis=-1, output_type=tf.int32), tf.float32)
        # The last place of a batch that is cut up may be empty.
        measured["agreement"] = (tf.math.divide_no_nan(tf.reduce_sum(same), frames), frames)
    return measured


class Means:
    """Means of what is measured over the batches of an epoch, outside of Keras' own loop."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}

    def add(self, measured: Mapping[str, tuple]) -> None:
        """Add one step's measures."""
        for name, (mean, count) in measured.items():
            sums = self._sums.setdefault(name, np.zeros(2))
            sums += [float(mean) * float(count), float(count)]

    def result(self) -> dict[str, float]:
        """{name: mean over all frames that it is over}; 0 where there was none."""
        return {name: float(total / count) if count else 0.0 for name, (total, count) in self._sums.items()}
