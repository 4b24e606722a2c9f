"""The trainer of the int8 stage, for the test that holds every trainer to one step."""

from models.distiller import build_objective
from quantization.finetune import FineTuning, fine_tune
from quantization.legacy import tf_keras


def validated(build, teacher, settings, batches):
    """A student, its objective, and what the trainer logs of `batches` for its `tf_keras` copy: it learns nothing.

    Args:
        build: gives the student; takes `keras_module`.
    """
    student = build()
    objective = build_objective(student, teacher, settings)
    copy = build(keras_module=tf_keras())
    copy.set_weights(student.get_weights())
    steps = {"steps": 1, "steps_per_epoch": 1, "learning_rate": 1e-12}
    tuning = FineTuning(objective, batches.repeat().skip, teacher=teacher, validation=batches, **steps)
    (row,) = fine_tune(copy, tuning, "a test")
    logs = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
    return student, objective, logs
