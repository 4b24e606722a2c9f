"""Quantization-aware training: the student's twin, fake-quantized, goes on being distilled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from common.errors import InputError
from models.objective import Objective
from quantization.check import try_quantize
from quantization.finetune import FineTuning, fine_tune
from quantization.ranges import set_ranges
from quantization.twin import build_twin


@dataclasses.dataclass(frozen=True)
class QatSettings:
    """How the quantized twin is trained.

    Attributes:
        learning_rate: peak; it warms up over the first 5 % of the steps and falls to 0 by a
            half cosine. The student is trained already: a tenth of its own rate or less.
        calibration_batches: training batches that set the activations' first ranges.
        range_decay: of the activation ranges' moving average, per step.
        freeze_batch_norm_from: share of the steps after which batch normalisation uses, and
            keeps, its moving statistics: the last steps train with what will be folded into
            the int8 weights. 1 never freezes them.
    """

    learning_rate: float = 2e-4
    calibration_batches: int = 8
    range_decay: float = 0.99
    freeze_batch_norm_from: float = 2 / 3

    def __post_init__(self):
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"quantize.learning_rate {self.learning_rate}: must be above 0")
        if self.calibration_batches < 1:
            raise InputError(f"quantize.calibration_batches {self.calibration_batches}: at least 1 is needed")
        for name in ("range_decay", "freeze_batch_norm_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"quantize.{name} {getattr(self, name)}: must be from 0 to 1")


@dataclasses.dataclass(frozen=True)
class QuantizedStudent:
    """A fake-quantized student.

    Attributes:
        model: Functional `tf_keras` model, frame [B, H, W, C] in [0, 1] → logits [B, K].
        history: one dict of logs an epoch.
    """

    model: object
    history: tuple[dict, ...] = ()

    def __call__(self, frames) -> tf.Tensor:
        """Logits [B, K] of frames [B, H, W, C] in [0, 1], in inference mode."""
        return self.model(frames, training=False)


def quantize(
    student: keras.Model, name: str, options: dict, calibration, range_decay: float = 0.99
) -> QuantizedStudent:
    """The fake-quantized twin of a trained student, its ranges set, not trained further.

    Args:
        student: trained Keras 3 student.
        name, options: what it was built with.
        calibration: a few batches of frames [B, H, W, C] in [0, 1].
        range_decay: see `QatSettings`.

    Raises:
        InputError: naming every layer that TF-MOT refuses.
    """
    twin = build_twin(name, student.input_shape[1:], student.output_shape[-1], student, **options)
    model, refused = try_quantize(twin)
    if refused:
        told = "; ".join(f"{layer} ({kind}) {reason}" for layer, kind, reason in refused)
        raise InputError(f"model {name}: can't be quantized: {told}")
    set_ranges(model, calibration, range_decay)
    return QuantizedStudent(model)


def quantize_aware_train(
    student: keras.Model,
    *,
    name: str,
    options: dict,
    teacher: keras.Model | None,
    objective: Objective,
    batches: tf.data.Dataset,
    steps: int,
    steps_per_epoch: int,
    validation: tf.data.Dataset | None = None,
    settings: QatSettings | None = None,
    on_epoch: Callable[[int, dict], None] | None = None,
    seed: int = 0,
) -> QuantizedStudent:
    """Quantize a trained student and go on distilling it from the same teacher.

    The objective is the Distiller's own, saliency head and adapters included, and trains
    on; its weights are those of the end of the schedule (progress 1), as this is the late
    part of one training. The student itself is not changed.

    Args:
        student: trained Keras 3 student, frame → logits.
        name, options: what it was built with.
        teacher: Keras 3 teacher, or None.
        objective: of the Distiller that trained the student.
        batches: endless, ({"frame", "gaze", "gaze_valid"}, label, weight).
        steps: in all.
        steps_per_epoch: a line of logs, and a validation, after as many.
        validation: finite batches of the same shape, or None.
        settings: see `QatSettings`.
        on_epoch: called with (epoch from 0, logs) after each.
        seed: of dropout.

    Returns:
        The trained student; `history` has for each epoch the Distiller's logs (`loss`, each
        term by its name, `regularisation`, `accuracy`, `agreement`), `val_*` and `learning_rate`.

    Raises:
        InputError: a layer that TF-MOT refuses, or a part of the loss that is not finite,
            with the step and the part.
    """
    settings = settings or QatSettings()
    # The twin's dropout draws its seeds when it is built.
    keras.utils.set_random_seed(seed)
    calibration = [features["frame"] for features, *_ in batches.take(settings.calibration_batches)]
    quantized = quantize(student, name, options, calibration, settings.range_decay)
    training = FineTuning(
        objective,
        batches,
        steps,
        steps_per_epoch,
        teacher,
        settings.learning_rate,
        settings.freeze_batch_norm_from,
        seed,
        validation,
        rate_flag=f"--quantize.learning_rate (now {settings.learning_rate})",
    )
    history = fine_tune(quantized.model, training, "quantization-aware training", on_epoch)
    return QuantizedStudent(quantized.model, history)
