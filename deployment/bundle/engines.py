"""The answers of one model in several engines, and how far they differ.

Frames are uint8 [n, H, W, 1] or [n, H, W, 3], answers uint8 [n, K]: the raw bytes, of which each is 1/256 of a
probability. ONNX Runtime with tf2onnx and tflite-micro are optional: `requirements-export.txt` has them.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from common.quiet import held_back_stderr

_PARENT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What another engine gave.

    Attributes:
        answers: uint8 [n, K].
        onnx: the model in ONNX, of the engine "onnx".
        arena_bytes: the smallest arena, of the engine "micro".
    """

    answers: np.ndarray
    onnx: bytes | None = None
    arena_bytes: int | None = None


def missing(*modules: str) -> str | None:
    """The first of some optional modules that is not installed, or None."""
    return next((name for name in modules if importlib.util.find_spec(name) is None), None)


def litert(content: bytes) -> tuple[Interpreter, Mapping[str, Any], Mapping[str, Any]]:
    """An interpreter of one thread with the details of its input and its output."""
    with held_back_stderr():  # it announces its delegate there
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter, interpreter.get_input_details()[0], interpreter.get_output_details()[0]


def litert_answers(content: bytes, frames: np.ndarray) -> np.ndarray:
    """What LiteRT answers: uint8 [n, K]."""
    interpreter, source, target = litert(content)

    def answer(frame: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source["index"], frame[None])
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return np.concatenate([answer(frame) for frame in frames])


def answers_of(engine: str, content: bytes, frames: np.ndarray) -> Answers:
    """What another engine answers, in a process of its own (`deployment.bundle.engine_process`).

    Args:
        engine: "onnx" (tf2onnx and ONNX Runtime) or "micro" (tflite-micro).
        content: of the `.tflite` file.
        frames: uint8 [n, H, W, 1].

    Raises:
        RuntimeError: the engine failed; its last line of error is shown.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(content)
        np.save(folder / "frames.npy", frames)
        run_process("deployment.bundle.engine_process", engine, name)
        onnx, arena = folder / "model.onnx", folder / "arena.txt"
        return Answers(
            np.load(folder / "answers.npy"),
            onnx.read_bytes() if onnx.is_file() else None,
            int(arena.read_text(encoding="ascii")) if arena.is_file() else None,
        )


def run_process(module: str, *words: str) -> str:
    """What a module of this project prints when it is run in a process of its own.

    Raises:
        RuntimeError: it failed, and its last line of error is shown, or a signal ended it.
    """
    paths = os.pathsep.join(filter(None, [str(_PARENT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # -P: what lies in the working directory, such as a json.py, must not be imported.
    command = [sys.executable, "-P", "-m", module, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise RuntimeError(f"{module} {words[0]} was ended by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{module} {words[0]} failed with code {done.returncode}: {last}")
    return done.stdout


def parity(answers: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """How far the answers of an engine are from those of LiteRT, uint8 [n, K] both.

    Returns:
        `frames`, `same_class` (share), `largest_difference` (of a probability).
    """
    difference = np.abs(answers.astype(int) - wanted.astype(int)).max(initial=0)
    return {
        "frames": len(wanted),
        "same_class": float((answers.argmax(axis=1) == wanted.argmax(axis=1)).mean()),
        "largest_difference": float(difference) / 256,
    }
