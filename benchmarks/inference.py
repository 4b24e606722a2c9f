"""Claim: a student's full-int8 file answers at least as fast as its float file, at about a third of the bytes.

    python benchmarks/inference.py [NAME ...]

Every student of the registry (or those named), untrained, at 112×144, batch 1, one thread, in LiteRT, OpenVINO and
ONNX Runtime (the last two where they are installed: requirements-dev.txt). A time is the median of calls that all
engines make in turns inside one run, so that other load on the machine touches them alike; a ratio is to LiteRT's
float file. Where tflite-micro is installed, the memory (arena) that a microcontroller needs is found by bisection.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import quiet  # noqa: F401  (before TensorFlow)

SHAPE = (112, 144, 1)
CLASSES = ("abdomen", "femur", "head", "background")
ROUNDS, CALLS = 20, 10


def main(names: list[str]) -> None:
    from rich.table import Table

    import models
    from common.console import console

    table = Table("student", "form", "bytes", *(f"{engine}, ms" for engine in ENGINES), "ratios", "arena, bytes")
    for name in names or models.names("student"):
        with tempfile.TemporaryDirectory() as folder:
            files = _export(name, Path(folder))
            callers = {
                (form, engine): make(path)
                for form, path in files.items()
                for engine, (packages, make) in ENGINES.items()
                if all(importlib.util.find_spec(package) for package in packages)
            }
            times = dict(zip(callers, _in_turns(list(callers.values()))))
            for form, path in files.items():
                row = [times.get((form, engine)) for engine in ENGINES]
                ratios = " ".join("–" if ms is None else f"{ms / times['float', 'LiteRT']:.2f}" for ms in row)
                cells = ["–" if ms is None else f"{ms:.3f}" for ms in row]
                arena = f"{_arena(path):,}" if form == "int8" and importlib.util.find_spec("tflite_micro") else ""
                table.add_row(name, form, f"{path.stat().st_size:,}", *cells, ratios, arena)
    console.print(table)


def _export(name: str, folder: Path) -> dict[str, Path]:
    import models
    from evaluation.artefacts import Metadata
    from quantization.tflite import export_float_tflite, post_training_int8

    student = models.create(name, SHAPE, len(CLASSES))
    metadata = Metadata(name, CLASSES, SHAPE[:2], "probabilities", "student")
    frames = np.random.default_rng(0).uniform(size=(16, *SHAPE)).astype(np.float32)
    files = {"float": folder / "float.tflite", "int8": folder / "int8.tflite"}
    export_float_tflite(student, files["float"], metadata)
    post_training_int8(student, [frames], files["int8"], metadata)
    return files


def _litert(path: Path) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    from common.quiet import held_back_stderr

    with held_back_stderr():
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros((1, *SHAPE), entry["dtype"]))
    return interpreter.invoke


def _openvino(path: Path) -> Callable[[], object]:
    import openvino

    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1})
    request = model.create_infer_request()
    frame = np.zeros((1, *SHAPE), model.input(0).get_element_type().to_dtype())
    return lambda: request.infer([frame])


def _onnxruntime(path: Path) -> Callable[[], object]:
    import onnxruntime
    import tf2onnx

    from common.quiet import held_back_stderr

    with held_back_stderr():
        proto, _ = tf2onnx.convert.from_tflite(str(path), opset=18)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    frame = np.zeros((1, *SHAPE), np.uint8 if entry.type == "tensor(uint8)" else np.float32)
    return lambda: session.run(None, {entry.name: frame})


# What each needs, and what makes a call of it for a .tflite file.
ENGINES: dict[str, tuple[tuple[str, ...], Callable[[Path], Callable[[], object]]]] = {
    "LiteRT": ((), _litert),
    "OpenVINO": (("openvino",), _openvino),
    "ONNX Runtime": (("onnxruntime", "tf2onnx"), _onnxruntime),
}


def _arena(path: Path) -> int:
    """Bytes of the smallest arena in which tflite-micro runs the file, to 1,024 bytes."""
    from common.quiet import held_back_stderr

    low, high = 0, 64 << 20
    with held_back_stderr():
        while high - low > 1024:
            middle = (low + high) // 2
            low, high = (low, middle) if _runs(path, middle) else (middle, high)
    return high


def _runs(path: Path, arena: int) -> bool:
    from tflite_micro.python.tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_file(str(path), arena_size=arena)
        interpreter.set_input(np.zeros((1, *SHAPE), np.uint8), 0)
        interpreter.invoke()
    except RuntimeError:
        return False
    return True


def _in_turns(calls: list[Callable[[], object]]) -> list[float]:
    """Median ms of each call; they take turns, so that a slow moment falls on all."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            for _ in range(CALLS):
                start = time.perf_counter()
                call()
                times[number].append(1e3 * (time.perf_counter() - start))
    return [float(np.median(values)) for values in times]


if __name__ == "__main__":
    main(sys.argv[1:])
