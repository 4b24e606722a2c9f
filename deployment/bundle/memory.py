"""What loading and asking a model costs in memory, in a process of its own: python -m deployment.bundle.memory FILE."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def resident_bytes(path: str | os.PathLike) -> int | None:
    """Resident memory that LiteRT takes to load a file and answer once, bytes; None where there is no /proc.

    What Python, NumPy and the library themselves take is not counted.

    Raises:
        RuntimeError: the measuring process failed; its last line of error is shown.
    """
    from deployment.bundle.engines import run_process

    if not Path("/proc/self/statm").is_file():
        return None
    return int(run_process("deployment.bundle.memory", str(Path(path).resolve())))


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _main(path: str) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    before = _resident()
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()
    print(_resident() - before)


if __name__ == "__main__":
    _main(sys.argv[1])
