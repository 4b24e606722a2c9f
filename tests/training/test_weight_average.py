"""`weight_average`: a stage ends with the moving average of its weights; after a kill too, see test_teachers.py."""

import keras
import numpy as np

from evaluation.artefacts import load_keras_model
from tests.training import tiny
from training import train
from training.fitting import build_optimizer
from training.settings import FitSettings

MOMENTUM = 0.7


class Steps(keras.callbacks.Callback):
    """The trainable weights after each step."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append([variable.numpy() for variable in self.model.trainable_variables])


def test_the_weights_are_the_recursion_of_those_of_all_steps(eagerly):
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    settings = FitSettings(epochs=2, learning_rate=0.1, warmup_epochs=0.5, weight_average=MOMENTUM)
    model.compile(optimizer=build_optimizer(settings, 4), loss="mse")
    steps = Steps()
    model.fit(rng.normal(size=(32, 3)), rng.normal(size=(32, 2)), batch_size=8, epochs=2, verbose=0, callbacks=[steps])
    assert len(steps.weights) == 8
    average = steps.weights[0]
    for weights in steps.weights[1:]:
        average = [MOMENTUM * mean + (1 - MOMENTUM) * last for mean, last in zip(average, weights)]
    for variable, mean, last in zip(model.trainable_variables, average, steps.weights[-1]):
        np.testing.assert_allclose(variable.numpy(), mean, rtol=1e-5, atol=1e-7)
        assert np.abs(mean - last).max() > 1e-3, "the last step's weights are others"


def test_a_student_is_the_average(shapes, tmp_path, quick_exports):
    def student(name, **settings):
        distil = {"epochs": 1, "batch_size": 16, "warmup_epochs": 0.5, "learning_rate": 0.02, **settings}
        train(tiny.config(shapes, tmp_path / name, teacher="none", stages=["student"], distil=distil))
        return load_keras_model(tmp_path / name / "student" / "student.keras").get_weights()

    last, average = student("last"), student("average", weight_average=MOMENTUM)
    assert not all(np.allclose(one, other, atol=1e-4) for one, other in zip(last, average))
