"""Trainings of a few steps without graphs, and exports that keep theirs."""

import contextlib
import functools


@contextlib.contextmanager
def running_eagerly(yes=True):
    """Functions run without their graphs, which take longer to build than the few steps of a test take."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(yes)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def export_with_graphs(monkeypatch) -> None:
    """What is exported is a graph, also within `running_eagerly`."""
    import quantization.saved_model
    import quantization.tflite

    for module, names in (
        (quantization.saved_model, ("export_saved_model",)),
        (
            quantization.tflite,
            ("export_float_tflite", "export_float16", "export_dynamic_range", "export_int8", "post_training_int8"),
        ),
    ):
        for name in names:
            monkeypatch.setattr(module, name, _with_graphs(getattr(module, name)))


def _with_graphs(export):
    @functools.wraps(export)
    def call(*args, **kwargs):
        with running_eagerly(False):
            return export(*args, **kwargs)

    return call
