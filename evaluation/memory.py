"""Peak memory of an inference under LiteRT, each file in a process of its own: python -P evaluation/memory.py FILE."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Linux: writing 5 to the first resets the peak of resident memory, which the second holds.
_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def measure_memory(paths: Sequence[str | os.PathLike]) -> list[int | None]:
    """Peak of the resident memory that a model takes to be loaded and to answer one frame, bytes.

    It is counted from what Python, NumPy and LiteRT take before they know of the file, with one thread. Pages of the
    file that are read count too.

    Args:
        paths: artefacts; only `.tflite` files are measured.

    Returns:
        Bytes, in the order given; None for other artefacts, and where the system does not say (no Linux).

    Raises:
        RuntimeError: the measuring process failed; its last line of error is shown.
    """
    return [_measured(Path(path)) if Path(path).suffix == ".tflite" else None for path in paths]


def _measured(path: Path) -> int | None:
    if not os.access(_RESET, os.W_OK):
        return None
    # This file alone and no package of the project (-P): what they load would hide what the model takes.
    command = [sys.executable, "-P", str(Path(__file__).resolve()), str(path.resolve())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"measuring memory failed with code {done.returncode}: {last}")
    return int(done.stdout)


def _kilobytes(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _main(path: str) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    before = _kilobytes("VmRSS")
    _RESET.write_text("5", encoding="ascii")
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()
    interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    print(1024 * (_kilobytes("VmHWM") - before))


if __name__ == "__main__":
    _main(sys.argv[1])
