"""One model in an engine of another project, in a process of its own: python -m deployment.bundle.engine_process.

Not all of their native libraries work in one process with TensorFlow. The words are `onnx` or `micro` and a folder
that holds `model.tflite` and `frames.npy`, uint8 [n, H, W, 1]; `answers.npy`, uint8 [n, K], is written there, with
`model.onnx`, or `arena.txt` with the bytes of the smallest arena.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import end_soon

_OPSET = 18
_ALIGNMENT = 16
_MOST_ARENA = 256 << 20


def onnx(folder: Path, frames: np.ndarray) -> np.ndarray:
    """Convert with tf2onnx, answer with ONNX Runtime; bytes go in and come out as in the `.tflite` file."""
    import onnxruntime
    from tf2onnx import convert

    model, _ = convert.from_tflite(str(folder / "model.tflite"), opset=_OPSET)
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return _all(lambda frame: session.run(None, {entry.name: frame})[0], frames)


def micro(folder: Path, frames: np.ndarray) -> np.ndarray:
    """Find the smallest arena, answer with it."""
    content = (folder / "model.tflite").read_bytes()
    arena = smallest_arena(content)
    (folder / "arena.txt").write_text(f"{arena}\n", encoding="ascii")
    interpreter = micro_interpreter(content, arena)

    def answer(frame: np.ndarray) -> np.ndarray:
        interpreter.set_input(frame, 0)
        interpreter.invoke()
        return interpreter.get_output(0)

    return _all(answer, frames)


def smallest_arena(content: bytes) -> int:
    """The smallest arena, bytes, a multiple of 16, with which TensorFlow Lite Micro takes the model.

    As its interpreter for Python counts on a machine of 64 bits: pointers of 32 bits need less.

    Raises:
        ValueError: no arena is large enough: an operator is missing, or the engine ends its process on this model.
    """
    low, high = 0, 1024
    while status := _status(content, high):
        if 2 * high > _MOST_ARENA:
            why = f"ends its process by {signal.Signals(-status).name} on" if status < 0 else "does not take"
            raise ValueError(f"TensorFlow Lite Micro {why} the model, with an arena of {high:,} bytes too")
        low, high = high, 2 * high
    while high - low > _ALIGNMENT:
        middle = (low + high) // 2 // _ALIGNMENT * _ALIGNMENT
        low, high = (middle, high) if _status(content, middle) else (low, middle)
    return high


def _status(content: bytes, arena_bytes: int) -> int:
    """0 if the model fits, 1 if it does not, a signal's negative number if tflite-micro crashed, so it is a child."""
    child = os.fork()
    if child == 0:
        taken = 1
        try:
            micro_interpreter(content, arena_bytes)
            taken = 0
        finally:
            os._exit(taken)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def micro_interpreter(content: bytes, arena_bytes: int) -> Any:
    """An interpreter with its tensors allocated.

    Raises:
        RuntimeError: the arena is too small, or an operator is missing.
    """
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


def _all(answer: Callable[[np.ndarray], np.ndarray], frames: np.ndarray) -> np.ndarray:
    return np.concatenate([np.array(answer(frame[None])) for frame in frames])


def _main(engine: str, folder: Path) -> None:
    answers = {"onnx": onnx, "micro": micro}[engine](folder, np.load(folder / "frames.npy"))
    np.save(folder / "answers.npy", answers)


if __name__ == "__main__":
    end_soon()
    _main(sys.argv[1], Path(sys.argv[2]))
