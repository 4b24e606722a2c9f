"""What each engine takes for a frame of a bundle: python benchmarks/bundle.py bundles/demo

A row an engine that is installed: LiteRT on the grey and on the RGB file, ONNX Runtime, TensorFlow Lite Micro (on this
machine, with its plain kernels), and MediaPipe Tasks, in the Python that MEDIAPIPE_PYTHON names. One thread, one frame,
the bundle's first self-test. Processor time is what counts on a machine that does other things too; MediaPipe's
includes taking the image in, which the others get as bytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path

import numpy as np

# Follows the source of `timed`.
_MEDIAPIPE = """
import json, sys
from importlib.metadata import version
import mediapipe as mp
import numpy as np
from mediapipe.tasks import python as tasks
options = tasks.vision.ImageClassifierOptions(base_options=tasks.BaseOptions(model_asset_path=sys.argv[1]))
frame = np.load(sys.argv[2])
with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
    image = lambda: mp.Image(image_format=mp.ImageFormat.SRGB, data=frame)
    print(json.dumps([version("mediapipe"), *timed(lambda: classifier.classify(image()))]))
"""


def timed(call: Callable[[], object], warm_up: int = 20, runs: int = 300) -> tuple[float, float]:
    """Medians of processor time and of time that passed, ms."""
    import statistics
    import time

    own, passed = [], []
    for number in range(warm_up + runs):
        before = time.process_time(), time.perf_counter()
        call()
        if number >= warm_up:
            own.append(1000 * (time.process_time() - before[0]))
            passed.append(1000 * (time.perf_counter() - before[1]))
    return statistics.median(own), statistics.median(passed)


def litert(path: Path, frame: np.ndarray) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call() -> object:
        interpreter.set_tensor(entry, frame[None])
        interpreter.invoke()
        return interpreter.get_tensor(end)

    return call


def onnx(path: Path, frame: np.ndarray) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: frame[None]})


def micro(path: Path, frame: np.ndarray) -> Callable[[], object]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=64 << 20)

    def call() -> object:
        interpreter.set_input(frame[None], 0)
        interpreter.invoke()
        return interpreter.get_output(0)

    return call


def mediapipe(path: Path, frame: np.ndarray) -> tuple[str, float, float] | None:
    python = os.environ.get("MEDIAPIPE_PYTHON")
    if not python:
        return None
    code = f"from __future__ import annotations\n{inspect.getsource(timed)}{_MEDIAPIPE}"
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "frame.npy", frame)
        words = [python, "-c", code, str(path), str(Path(folder) / "frame.npy")]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    found, own, passed = json.loads(done.stdout.strip().splitlines()[-1])
    return found, own, passed


def _measured(
    make: Callable[[Path, np.ndarray], Callable[[], object]], path: Path, frame: np.ndarray
) -> tuple[float, float]:
    return timed(make(path, frame))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="a folder that export.py wrote")
    folder = parser.parse_args().bundle
    about = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    _, height, width, _ = about["input"]["shape"]
    y, x = np.mgrid[:height, :width]
    grey = ((7 * x + 13 * y) % 256).astype(np.uint8)[..., None]
    colour = np.repeat(grey, 3, axis=-1)
    print("| engine | version | file | bytes | processor time, ms a frame | time that passed, ms |")
    print("|---|---|---|---|---|---|")

    def row(engine: str, found: str, name: str, own: float, wall: float) -> None:
        print(f"| {engine} | {found} | `{name}` | {about['files'][name]['bytes']:,} | {own:.2f} | {wall:.2f} |")

    engines = [
        ("LiteRT", "ai-edge-litert", "ai_edge_litert", "student_int8.tflite", litert, grey),
        ("LiteRT", "ai-edge-litert", "ai_edge_litert", "student_int8_rgb.tflite", litert, colour),
        ("ONNX Runtime", "onnxruntime", "onnxruntime", "student_int8.onnx", onnx, grey),
        ("TensorFlow Lite Micro", "tflite-micro", "tflite_micro", "student_int8.tflite", micro, grey),
    ]
    for engine, package, module, name, make, frame in engines:
        if importlib.util.find_spec(module) and name in about["files"]:
            try:
                # Alone in a process: TensorFlow Lite Micro aborts on some models.
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                    row(engine, version(package), name, *process.submit(_measured, make, folder / name, frame).result())
            except BrokenProcessPool:
                print(f"{engine}: ended its process on {name}: left out", file=sys.stderr)
    name = "student_int8_rgb.tflite"
    if found := mediapipe((folder / name).resolve(), colour):
        row("MediaPipe Tasks", found[0], name, *found[1:])


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
