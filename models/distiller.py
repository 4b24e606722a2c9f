"""The Distiller: a student that sees frames alone learns from a teacher that saw the gaze too."""

from __future__ import annotations

import keras
import tensorflow as tf

from common.errors import InputError
from models.ensemble import Ensemble, combine
from models.inputs import input_tensors, inputs_of
from models.objective import LossSettings, Objective
from models.replicas import sum_over_replicas

OPTIONAL_TERMS = ("logit", "decoupled", "gaze", "attention", "hint", "similarity")


def tapped(model: keras.Model, taps: tuple[str, ...]) -> keras.Model:
    """A model over the same layers that gives {"logits": …, tap: …} in one pass.

    Raises:
        InputError: the model has no layer of a tap's name, or one that gives no map.
    """
    check_taps(model, taps)
    outputs = {"logits": model.output, **{tap: model.get_layer(tap).output for tap in taps}}
    return keras.Model(input_tensors(model), outputs, name=f"{model.name}_tapped")


def check_taps(model: keras.Model, taps: tuple[str, ...]) -> None:
    """Refuse a tap that is no layer of the model, or one that gives no map [B, h, w, C].

    Raises:
        InputError: naming the tap, and those that the model has.
    """
    there = {layer.name: layer for layer in model.layers}
    for tap in taps:
        if tap not in there or len(there[tap].output.shape) != 4:
            known = ", ".join(sorted(name for name in there if name.startswith("stride")))
            raise InputError(f"model {model.name}: has no tap {tap!r}; it has {known}")


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

    def shapes(model, taps):
        return {tap: tuple(model.get_layer(tap).output.shape[1:]) for tap in taps}

    return Objective(
        settings,
        shapes(student, settings.taps()),
        shapes(teacher, settings.teacher_taps()) if teacher is not None else {},
    )


class Distiller(keras.Model):
    """Trains a student by the total loss of `Objective`; the teacher is frozen.

    A step is one student pass in training mode, which gives logits and taps together, and
    one teacher pass in inference mode. The teacher is reached through a closure: it is not
    a part of this model, so it has no place in its weights and is never saved with it. The
    same holds for each of several teachers.

    Batches are ({"frame" [B, H, W, 1], "gaze" [B, h, w], "gaze_valid" [B]}, label [B],
    weight [B]). Logged: `loss`, each term by its name (`hard`, `soft`, `logit`, `decoupled`,
    `gaze`, `attention`, `hint`, `similarity`, `regularisation`), `accuracy` over the frames
    with a label, and `agreement` (share of frames on which the student chooses the class
    that the teacher, or the mean of the teachers' probabilities, chooses).

    Args:
        student: Functional model, one input `frame`, logits out.
        teacher: Functional model with inputs `frame` and, if fused, `gaze`; an `Ensemble`
            of such; None to train the student alone (with the gaze loss, if its weight is
            not 0).
        settings: weights of the terms. Without a teacher those that need one must be 0.
        total_steps: steps of the whole training, for warm-up and decay.

    Raises:
        InputError: inputs, taps or numbers of classes that don't fit, or no term to learn from.
    """

    def __init__(self, student, teacher=None, settings: LossSettings | None = None, total_steps: int = 1, **kwargs):
        super().__init__(**kwargs)
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
        self.student = student
        self.settings = settings
        self.total_steps = max(1, total_steps)
        self.objective = build_objective(student, teacher, settings)
        self._student_pass = _untracked(tapped(student, settings.taps()))
        self._teacher_pass = teacher_pass(teacher, settings)
        self._means = {name: keras.metrics.Mean(name=name) for name in self._names(teacher)}
        self.built = True

    def _names(self, teacher) -> list[str]:
        s = self.settings
        weights = {"hard": s.hard, "soft": s.alpha}
        weights |= {name: getattr(s, name) for name in OPTIONAL_TERMS}
        terms = [name for name, weight in weights.items() if weight]
        return ["loss", *terms, "regularisation", "accuracy", *(["agreement"] if teacher else [])]

    @property
    def metrics(self):
        return list(self._means.values())

    def call(self, inputs, training=False):
        """The student's logits [B, K]; `inputs` is a batch's features or its frames."""
        frame = inputs["frame"] if isinstance(inputs, dict) else inputs
        return self.student(frame, training=training)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: every part is built already.

        Under a `tf.distribute` strategy Keras 3 would average the first batch over the replicas
        to learn its shapes, and fails on the booleans of `gaze_valid`.
        """

    def train_step(self, data):
        batch = _unpack(data)
        teacher = self._teacher_pass(batch)
        with tf.GradientTape() as tape:
            student, terms, loss = self._loss_terms(batch, teacher, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        if not self.optimizer.built:
            self.optimizer.build(variables)
        # A loss without labels or soft targets ends at a tap: the layers above it have no gradient, and stay.
        pairs = zip(tape.gradient(scaled, variables), variables)
        self.optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
        return self._log(batch, student, teacher, terms, loss)

    def test_step(self, data):
        batch = _unpack(data)
        teacher = self._teacher_pass(batch)
        student, terms, loss = self._loss_terms(batch, teacher, training=False)
        return self._log(batch, student, teacher, terms, loss)

    def _loss_terms(self, batch, teacher, training: bool):
        student = self._student_pass()(batch["frame"], training=training)
        terms = self.objective(batch, student, teacher)
        # In evaluation the weights are those of the end, so that losses of epochs compare.
        progress = tf.cast(self.optimizer.iterations, tf.float32) / self.total_steps if training else 1.0
        loss = self.objective.total(terms, progress)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        own = tf.add_n([tf.cast(value, tf.float32) for value in self.student.losses] or [tf.constant(0.0)])
        terms["regularisation"] = own / replicas
        return student, terms, loss + terms["regularisation"]

    def _log(self, batch, student, teacher, terms, loss):
        # An epoch's figures are over its frames: the last batch may be a small one.
        frames = tf.cast(tf.size(batch["label"]), tf.float32)
        for name, value in {"loss": loss, **terms}.items():
            count = tf.reduce_sum(tf.cast(batch["gaze_valid"], tf.float32)) if name == "gaze" else frames
            self._means[name].update_state(sum_over_replicas(value), count)
        chosen = tf.argmax(student["logits"], axis=-1, output_type=tf.int32)
        labelled = tf.cast(batch["label"] >= 0, tf.float32)
        self._means["accuracy"].update_state(tf.cast(chosen == batch["label"], tf.float32), labelled)
        if teacher is not None:
            same = chosen == tf.argmax(teacher["logits"], axis=-1, output_type=tf.int32)
            self._means["agreement"].update_state(tf.cast(same, tf.float32))
        return {name: mean.result() for name, mean in self._means.items()}


def _unpack(data) -> dict:
    features, label, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is None:
        weight = tf.ones(tf.shape(label)[:1])
    return {**features, "label": tf.cast(label, tf.int32), "weight": weight}


def _untracked(model):
    """Keras tracks what is assigned to a model; a function that gives it is left alone."""
    return lambda: model


def teacher_pass(teacher: keras.Model | Ensemble | None, settings: LossSettings):
    """batch → {"logits", tap: …} of the teacher, float32 without gradient, in inference mode.

    Without a teacher it gives None. Of an `Ensemble` it gives what `combine` makes of the
    logits, and the taps of its `source`. The models are held by a closure, so whoever calls
    it neither tracks nor saves them.
    """
    if teacher is None:
        return lambda batch: None
    taps = settings.teacher_taps()
    if not isinstance(teacher, Ensemble):
        return _single_pass(teacher, taps)
    source = teacher.source(taps)
    passes = [_single_pass(model, taps if model is source else ()) for model in teacher.models]

    def run(batch):
        outputs = [one(batch) for one in passes]
        maps = outputs[teacher.models.index(source)]
        return maps | combine([output["logits"] for output in outputs], teacher.shares, settings.temperature)

    return run


def _single_pass(teacher: keras.Model, taps: tuple[str, ...]):
    model = tapped(teacher, taps)

    def run(batch):
        outputs = model(inputs_of(teacher, batch), training=False)
        return {name: tf.stop_gradient(tf.cast(value, tf.float32)) for name, value in outputs.items()}

    return run


def _each(teacher: keras.Model | Ensemble | None) -> tuple[keras.Model, ...]:
    if teacher is None:
        return ()
    return teacher.models if isinstance(teacher, Ensemble) else (teacher,)
