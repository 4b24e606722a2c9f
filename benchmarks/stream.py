"""Does a stream stay live? A sender on loopback at 25 and 60 frames a second, `predict.py --stream`, and a clock.

    python benchmarks/stream.py runs/demo/int8/student_int8.tflite --seconds 60

For each rate: frames sent, answered and dropped; latency from the decoder to the written line; how much
later the answers of the last ten seconds come, after their frames were sent, than those of the first ten
(growth, which a queue anywhere between sender and answer would make); and resident memory then and now.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
_EDGE_S = 10.0


def measure(artefact: str, fps: float, seconds: float) -> dict[str, Any]:
    """One rate.

    Returns:
        "fps", "frames", "answered", "dropped", "latency_ms" {"median", "p95"} of all answers, "first_ms" and "last_ms"
        (median delay after the frames were sent in the first and the last ten seconds, up to the constant
        offset of the two clocks), "growth_ms", "memory_mb" {"first", "last"}.

    Raises:
        RuntimeError: no answers; says what predict.py wrote to standard error.
    """
    url = f"udp://127.0.0.1:{_free_port()}"
    words = [sys.executable, str(ROOT / "predict.py"), artefact, "--stream", url, "--crop", "none"]
    receiver = subprocess.Popen(
        [*words, "--timeout-s", "30", "--duration-s", str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    words = [sys.executable, str(ROOT / "benchmarks" / "stream_sender.py"), url, "--fps", str(fps)]
    sender = subprocess.Popen([*words, "--seconds", str(seconds + 60), "--clock"])
    rows, memory = [], []
    try:
        for line in receiver.stdout or ():
            row = json.loads(line)
            if "end" in row:
                break
            row["delay_ms"] = 1000 * (time.perf_counter() - row["time_s"])
            rows.append(row)
            if len(rows) % 100 == 1:
                memory.append((row["time_s"], _resident_mb(receiver.pid)))
        said = receiver.communicate(timeout=60)[1]
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()
    if not rows:
        raise RuntimeError(f"no answers: {said.strip()}")
    return {"fps": fps, "frames": row["frames"], "answered": row["answered"], "dropped": row["dropped"],
            "latency_ms": row["latency_ms"], **_edges(rows), **_memory(memory)}  # fmt: skip


def _edges(rows: list[dict[str, Any]]) -> dict[str, float]:
    times_s = np.array([row["time_s"] for row in rows])
    delays_ms = np.array([row["delay_ms"] for row in rows])
    delays_ms -= delays_ms.min()
    first = float(np.median(delays_ms[times_s < times_s[0] + _EDGE_S]))
    last = float(np.median(delays_ms[times_s > times_s[-1] - _EDGE_S]))
    return {"first_ms": round(first, 2), "last_ms": round(last, 2), "growth_ms": round(last - first, 2)}


def _memory(memory: list[tuple[float, float]]) -> dict[str, Any]:
    # The first seconds fill buffers; after five of them nothing should grow.
    settled = [mb for at_s, mb in memory if at_s >= 5] or [mb for _, mb in memory]
    return {"memory_mb": {"first": settled[0], "last": settled[-1]}}


def _resident_mb(process: int) -> float:
    """VmRSS of Linux."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return float("nan")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact")
    parser.add_argument("--fps", type=float, nargs="+", default=[25.0, 60.0])
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    for fps in given.fps:
        print(json.dumps(measure(given.artefact, fps, given.seconds)))


if __name__ == "__main__":
    main()
