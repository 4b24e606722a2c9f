"""Claim: a student's full-int8 file answers at least as fast as its float file, at about a third of the bytes.

    python benchmarks/inference.py

Every student of the registry, untrained, at 112×144, batch 1, one thread. The figure is the ratio of two medians
measured in turns inside one run, so that other load on the machine touches both alike.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from common import quiet  # noqa: F401  (before TensorFlow)

SHAPE = (112, 144, 1)
CLASSES = ("abdomen", "femur", "head", "background")
ROUNDS, CALLS = 20, 25


def main() -> None:
    from rich.table import Table

    import models
    from common.console import console

    table = Table("student", "float bytes", "int8 bytes", "float ms", "int8 ms", "int8 / float time")
    for name in models.names("student"):
        with tempfile.TemporaryDirectory() as folder:
            files = _export(name, Path(folder))
            times = _in_turns([_caller(path) for path in files])
            sizes = [path.stat().st_size for path in files]
        table.add_row(
            name, f"{sizes[0]:,}", f"{sizes[1]:,}", f"{times[0]:.3f}", f"{times[1]:.3f}", f"{times[1] / times[0]:.2f}"
        )
    console.print(table)


def _export(name: str, folder: Path) -> list[Path]:
    import models
    from evaluation.artefacts import Metadata
    from quantization.tflite import export_float_tflite, post_training_int8

    student = models.create(name, SHAPE, len(CLASSES))
    metadata = Metadata(name, CLASSES, SHAPE[:2], "probabilities", "student")
    frames = np.random.default_rng(0).uniform(size=(16, *SHAPE)).astype(np.float32)
    export_float_tflite(student, folder / "float.tflite", metadata)
    post_training_int8(student, [frames], folder / "int8.tflite", metadata)
    return [folder / "float.tflite", folder / "int8.tflite"]


def _caller(path: Path):
    from ai_edge_litert.interpreter import Interpreter

    from common.quiet import held_back_stderr

    with held_back_stderr():
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros((1, *SHAPE), entry["dtype"]))
    return interpreter.invoke


def _in_turns(calls) -> list[float]:
    """Median ms of each call; they take turns, so that a slow moment falls on both."""
    times = [[] for _ in calls]
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            for _ in range(CALLS):
                start = time.perf_counter()
                call()
                times[number].append(1e3 * (time.perf_counter() - start))
    return [float(np.median(values)) for values in times]


if __name__ == "__main__":
    main()
