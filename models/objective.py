"""The total loss of named terms, and the heads that only training needs.

The same objective serves the float student (`models/distiller.py`), the teacher
(`models/teaching.py`) and the student in quantization-aware training (`quantization/`).
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from losses import Given, LossSettings
from losses.gaze import SALIENCY_HEAD
from losses.replicas import sum_over_replicas


class Objective(keras.layers.Layer):
    """All terms of the loss of one batch, each by its name.

    Owns the heads that the terms declare, such as the saliency head and the hint adapters;
    none is part of the deployed student. Every term is a sum over this replica's samples
    divided by a number counted over *all* replicas, so that the gradients, which are added
    over the replicas, do not depend on how many there are.

    Args:
        settings: weights and options.
        student_shapes: {tap: (h, w, C)} of the student, and of its `frame` (H, W, C).
        teacher_shapes: {tap: (h, w, C)} of the teacher; empty without one.

    Raises:
        InputError: shapes that a term can't work with.
    """

    def __init__(self, settings: LossSettings, student_shapes: dict, teacher_shapes: dict, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.settings = settings
        heads: dict[str, keras.layers.Layer] = {}
        for term in settings.active():
            if term.heads is not None:
                heads |= {layer.name: layer for layer in term.heads(settings, student_shapes, teacher_shapes)}
        self.heads = heads
        self.built = True

    @property
    def saliency_head(self) -> keras.layers.Layer | None:
        """The 1×1 convolution that gives the logits of the gaze map; None where no term has it."""
        return self.heads.get(SALIENCY_HEAD)

    def call(self, batch: dict, student: dict, teacher: dict | None) -> dict:
        """The unweighted terms.

        Args:
            batch: `label` int [B], `weight` float [B], `gaze` float [B, h, w], `gaze_valid` bool [B].
            student: `logits` [B, K] and the taps' maps.
            teacher: the same of the teacher, or None. Of several teachers also `soft_logits`
                and `mean_logits`, see `models.ensemble`.

        Returns:
            {name of a term: float32 scalar}, those that are switched on.
        """
        given = Given(batch, student, teacher or {}, self.settings, self.heads)
        return {term.name: _mean(term.function(given), batch, term.over) for term in self.settings.active()}

    def total(self, terms: dict, progress: tf.Tensor | float | None) -> tf.Tensor:
        """The weighted sum at `progress`, the share of the steps done, in [0, 1]; None for the weights as set."""
        s = self.settings
        if progress is None:
            return tf.add_n([s.weight(term.name) * terms[term.name] for term in s.active()])
        progress = tf.cast(progress, tf.float32)
        warm = tf.minimum(1.0, progress / s.warmup) if s.warmup else tf.constant(1.0)
        late = tf.clip_by_value((progress - s.decay_from) / max(1.0 - s.decay_from, 1e-6), 0.0, 1.0)
        fade = 0.1 + 0.9 * 0.5 * (1.0 + tf.cos(math.pi * late))
        parts = []
        for term in s.active():
            weight = s.weight(term.name) * (warm if term.warms_up else 1.0) * (fade if term.fades else 1.0)
            parts.append(weight * terms[term.name])
        return tf.add_n(parts)


def _mean(values: tf.Tensor, batch: dict, over: str) -> tf.Tensor:
    """Weighted sum of the values over the frames that count, divided by the number of these frames."""
    weight = tf.cast(batch["weight"], tf.float32)
    if over == "gaze":
        valid = tf.cast(batch["gaze_valid"], tf.float32)
        # Without any such frame the sum is 0, and so is the mean.
        return tf.reduce_sum(weight * valid * values) / tf.maximum(1.0, sum_over_replicas(tf.reduce_sum(valid)))
    return tf.reduce_sum(weight * values) / sum_over_replicas(tf.cast(tf.size(weight), tf.float32))
