"""A Distiller of tiny networks and Keras' own, and one step of each."""

import keras
import numpy as np
import tensorflow as tf

from losses import LossSettings
from models.distiller import Distiller
from tests.models import tiny

ALL = {
    "alpha": 0.6,
    "temperature": 3.0,
    "gaze": 0.3,
    "attention": 0.8,
    "hint": 0.2,
    "similarity": 2.0,
    "warmup": 0.0,
    "decay_from": 1.0,
}


def distiller(student=None, teacher="default", *, rate=0.1, total_steps=1, graphs=False, **settings):
    """Without `graphs`, which take longer to build than a step takes, fit and evaluate run eagerly."""
    teacher = tiny.teacher() if teacher == "default" else teacher
    made = Distiller(student or tiny.student(), teacher, LossSettings(**{**ALL, **settings}), total_steps)
    made.compile(optimizer=keras.optimizers.SGD(rate), jit_compile=False, run_eagerly=not graphs)
    return made


def keras_distiller(student, teacher, losses, **kwargs):
    made = keras.distillation.Distiller(teacher, student, losses, **kwargs)
    made.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        run_eagerly=True,
    )
    return made


def step(made, data):
    """The logs of one training step on one batch."""
    made.reset_metrics()
    return {name: float(value) for name, value in made.train_step(tensors(data)).items()}


def look(made, data):
    """The logs of one evaluation step on one batch."""
    made.reset_metrics()
    return {name: float(value) for name, value in made.test_step(tensors(data)).items()}


def tensors(data):
    return tf.nest.map_structure(tf.convert_to_tensor, data)


def maps(model, features, inputs):
    """Logits and taps in float64, without the Distiller."""
    taps = ("stride8", "stride16")
    outputs = keras.Model(model.inputs, [model.output, *(model.get_layer(tap).output for tap in taps)])
    values = outputs([features[name] for name in inputs], training=False)
    return {name: np.array(value, float) for name, value in zip(("logits", *taps), values)}


def weights(model):
    return [np.array(value) for value in model.get_weights()]


def frames(data):
    """The batch as Keras' own distiller takes it."""
    return tf.constant(data[0]["frame"]), tf.constant(data[1]), tf.constant(data[2])
