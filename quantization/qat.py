"""Quantization-aware training: the student goes on being distilled with fake-quantized weights and activations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import keras
import tensorflow as tf

from common.errors import InputError
from quantization.check import try_quantize
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import LegacyModel
from quantization.legacy_copy import build_legacy_copy
from quantization.ranges import set_ranges

# Decay of the activation ranges' moving average, per step.
RANGE_DECAY = 0.99
# The last third of the steps trains with the statistics that will be folded into the int8 weights.
FREEZE_BATCH_NORM_FROM = 2 / 3


@dataclasses.dataclass(frozen=True)
class QuantizedStudent:
    """A fake-quantized student.

    Attributes:
        model: Functional `tf_keras` model, frame [B, H, W, C] in [0, 1] → logits [B, K].
        history: one dict of logs per epoch.
    """

    model: LegacyModel
    history: tuple[dict, ...] = ()

    def __call__(self, frames: tf.Tensor) -> tf.Tensor:
        """Logits [B, K] of frames [B, H, W, C] in [0, 1], in inference mode."""
        return self.model(frames, training=False)


def quantize(
    student: keras.Model, name: str, options: dict, calibration: Iterable, range_decay: float = RANGE_DECAY
) -> QuantizedStudent:
    """The fake-quantized form of a trained student, its ranges set, not trained further.

    Args:
        student: trained Keras 3 student.
        name, options: what it was built with.
        calibration: batches of frames [B, H, W, C] in [0, 1]; see `set_ranges`.
        range_decay: of the activation ranges' moving average, per training step; see `set_ranges`.

    Raises:
        InputError: naming every layer that TF-MOT refuses, or a decay out of range.
    """
    if not 0 <= range_decay <= 1:
        raise InputError(f"range_decay must be in [0, 1], not {range_decay}")
    model, refused = try_quantize(build_legacy_copy(student, name, options))
    if refused:
        reasons = "; ".join(f"{layer} ({kind}) {reason}" for layer, kind, reason in refused)
        raise InputError(f"model {name}: can't be quantized: {reasons}")
    set_ranges(model, calibration, range_decay)
    return QuantizedStudent(model)


def quantize_aware_train(
    student: keras.Model,
    name: str,
    options: dict,
    *,
    calibration: Iterable,
    training: FineTuning,
    range_decay: float = RANGE_DECAY,
    on_epoch: Callable[[int, dict], None] | None = None,
) -> QuantizedStudent:
    """Quantize a trained student and go on distilling it from the same teacher.

    Args:
        student: trained Keras 3 student, frame → logits; it is not changed.
        name, options: what it was built with.
        calibration: batches of frames [B, H, W, C] in [0, 1], without augmentation, that set the
            activations' first ranges: the same ones as for post-training quantization.
        training: data, loss and steps. The objective is that of the Distiller that trained the
            student, and the learning rate a tenth of the student's own or less.
        range_decay: of the activation ranges' moving average, per step.
        on_epoch: called with (epoch from 0, logs) after each epoch of this process.

    Returns:
        The trained student and the logs of its epochs, see `fine_tune`.

    Raises:
        InputError: a layer that TF-MOT refuses, or a part of the loss that is not finite,
            with the step and the part.
    """
    keras.utils.set_random_seed(training.seed)
    quantized = quantize(student, name, options, calibration, range_decay)
    history = fine_tune(quantized.model, training, "quantization-aware training", on_epoch)
    return QuantizedStudent(quantized.model, history)
