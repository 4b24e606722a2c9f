"""The Distiller: a student that sees frames alone learns from a teacher that saw the gaze too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from common.errors import InputError
from common.grid import GAZE_TAP
from losses import LossSettings
from models.ensemble import Ensemble, combine
from models.inputs import inputs_of
from models.learner import Learner, tapped
from models.objective import Objective


def check_taps(model: keras.Model, taps: tuple[str, ...]) -> None:
    """Refuse a tap that is no layer of the model, or one that gives no map [B, h, w, C].

    Raises:
        InputError: naming the tap, and those that the model has.
    """
    there = {layer.name: layer for layer in model.layers}
    for tap in taps:
        if tap not in there or len(there[tap].output.shape) != 4:
            known = ", ".join(sorted(name for name in there if name.startswith("stride")))
            cure = f"it has {known}" if known else "it has none: set the weights of the terms that compare maps to 0"
            raise InputError(f"model {model.name}: has no tap {tap!r}; {cure}")


def build_objective(student: keras.Model, teacher: keras.Model | Ensemble | None, settings: LossSettings) -> Objective:
    """The objective that fits these models: its heads have their widths.

    Raises:
        InputError: a tap that a model does not have, or no term to learn from.
    """
    if teacher is None:
        settings = settings.without_teacher()
    if settings.is_empty():
        alone = "" if teacher is not None else " (without a teacher)"
        raise InputError(f"loss: every weight is 0{alone}: there is nothing to learn from, so set one of them")
    if isinstance(teacher, Ensemble):
        teacher = teacher.source(settings.teacher_taps())
    check_taps(student, settings.taps())
    if teacher is not None:
        check_taps(teacher, settings.teacher_taps())

    return Objective(
        settings,
        tap_shapes(student, settings.taps()),
        tap_shapes(teacher, settings.teacher_taps()) if teacher is not None else {},
    )


def tap_shapes(model: keras.Model, taps: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """{tap: (h, w, C)}, and that of the model's `frame` if it has one."""
    frames = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs if tensor.name == "frame"}
    return frames | {tap: tuple(model.get_layer(tap).output.shape[1:]) for tap in taps}


class Distiller(Learner):
    """Trains a student, which sees frames alone, by the total loss of `Objective`; the teacher is frozen.

    The teacher, or each of several, is no part of this model and is never saved with it; see
    `Learner` for the step, the batches and what is logged.

    Args:
        student: Functional model, one input `frame`, logits out.
        teacher: Functional model with inputs `frame` and, if fused, `gaze`; an `Ensemble`
            of such; None to train the student alone (with the gaze loss, if its weight is
            not 0).
        settings: weights and options of the terms; without a teacher those that need one are
            switched off.
        total_steps: steps of the whole training, for warm-up and decay; None trains by the weights as they are set.

    Raises:
        InputError: inputs, taps, grids or numbers of classes that don't fit, or no term to learn from.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | Ensemble | None = None,
        settings: LossSettings | None = None,
        total_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        settings = settings or LossSettings()
        if teacher is None:
            settings = settings.without_teacher()
        if [tensor.name for tensor in student.inputs] != ["frame"]:
            raise InputError(f"student {student.name}: must have one input, frame, so that it runs without gaze")
        for model in _each(teacher):
            if model.output_shape[-1] != student.output_shape[-1]:
                raise InputError(
                    f"teacher {model.name} has {model.output_shape[-1]} classes and student "
                    f"{student.name} has {student.output_shape[-1]}: train both on one data set"
                )
        objective = build_objective(student, teacher, settings)
        super().__init__(student, objective, total_steps, teacher_pass(teacher, settings), settings.taps(), **kwargs)
        # Keras tracks a model that is assigned, and leaves a function alone.
        self._again = lambda copy: Distiller(copy(student), _mapped(teacher, copy), settings, total_steps)

    @property
    def student(self) -> keras.Model:
        """The model that is trained, and that is deployed."""
        return self.network

    def gaze_model(self) -> keras.Model | None:
        """The student's layers up to the gaze's tap, and the saliency head: a model of its own.

        It shares its weights with the student and the head, is made of plain Keras layers, and so
        can be saved and loaded as `.keras` without this code.

        Returns:
            Functional model frame [B, H, W, 1] → gaze map float32 [B, h, w], each sums to 1; None
            where there is no gaze loss, and so no head.
        """
        head = self.objective.saliency_head
        if head is None:
            return None
        layers = keras.layers
        features = self.student.get_layer(GAZE_TAP).output
        height, width = features.shape[1:3]
        logits = layers.Reshape((height * width,), name="cells")(head(features))
        shares = layers.Softmax(dtype="float32", name="shares")(logits)
        gaze_map = layers.Reshape((height, width), name="gaze_map")(shares)
        return keras.Model(self.student.input, gaze_map, name=f"{self.student.name}_gaze")


def teacher_pass(
    teacher: keras.Model | Ensemble | None, settings: LossSettings
) -> Callable[[dict], dict[str, tf.Tensor]] | None:
    """batch → {"logits", tap: …} of the teacher, float32 without gradient, in inference mode.

    A batch that brings the teacher's outputs, "teacher", as a teacher cache gives them, is taken at
    its word: the teacher does not run. None without a teacher. Of an `Ensemble` it gives what `combine` makes of the
    logits, and the taps of its `source`. The models are held by a closure, so whoever calls
    it neither tracks nor saves them.
    """
    if teacher is None:
        return None
    taps = settings.teacher_taps()
    if not isinstance(teacher, Ensemble):
        return _unless_given(_single_pass(teacher, taps))
    source = teacher.source(taps)
    passes = [_single_pass(model, taps if model is source else ()) for model in teacher.models]

    def run(batch: dict) -> dict[str, tf.Tensor]:
        outputs = [one(batch) for one in passes]
        maps = outputs[teacher.models.index(source)]
        return maps | combine([output["logits"] for output in outputs], teacher.shares, settings.temperature)

    return _unless_given(run)


def _unless_given(run: Callable[[dict], dict]) -> Callable[[dict], dict]:
    return lambda batch: batch["teacher"] if "teacher" in batch else run(batch)


def _single_pass(teacher: keras.Model, taps: tuple[str, ...]) -> Callable[[dict], dict[str, tf.Tensor]]:
    check_taps(teacher, taps)
    model = tapped(teacher, taps)

    def run(batch: dict) -> dict[str, tf.Tensor]:
        outputs = model(inputs_of(teacher, batch), training=False)
        return {name: tf.stop_gradient(tf.cast(value, tf.float32)) for name, value in outputs.items()}

    return run


def _mapped(
    teacher: keras.Model | Ensemble | None, change: Callable[[keras.Model], keras.Model]
) -> keras.Model | Ensemble | None:
    if isinstance(teacher, Ensemble):
        return dataclasses.replace(teacher, models=tuple(map(change, teacher.models)))
    return teacher and change(teacher)


def _each(teacher: keras.Model | Ensemble | None) -> tuple[keras.Model, ...]:
    if teacher is None:
        return ()
    return teacher.models if isinstance(teacher, Ensemble) else (teacher,)
