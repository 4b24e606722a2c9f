"""Time per frame: one thread, batch 1, after warm-up.

TensorFlow's threads can't be changed once it has started, so `.keras` files and
SavedModels are timed in a process of their own; so are `.tflite` files, to be the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import end_soon
from common.locks import exclusive

_PARENT = Path(__file__).resolve().parents[1]  # of the package, wherever it is installed
_WARM_UP_S = 0.3
_MEASURE_S = 1.5
_LEAST_RUNS = 10
_MOST_RUNS = 2000


def measure_latency(
    paths: Sequence[str | os.PathLike], seconds: float = _MEASURE_S, *, trust: bool = False
) -> list[dict[str, Any]]:
    """Median and 95th percentile of the time for one frame, ms, per artefact; one command at a time measures.

    Args:
        paths: artefacts that `load_artefact` takes.
        seconds: of measuring, each.
        trust: as for `load_artefact`.

    Returns:
        [{"median": ms, "p95": ms, "runs": n}], in the order given.

    Raises:
        RuntimeError: the measuring process failed; its last line of error is shown.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PARENT), os.environ.get("PYTHONPATH", "")])),
    }
    words = [str(seconds), str(int(trust)), *(str(Path(path).resolve()) for path in paths)]
    # -P: what lies in the working directory, such as a json.py, must not be imported.
    command = [sys.executable, "-P", "-m", "evaluation.latency", *words]
    # All are timed on the same core: two commands at once would time each other.
    with exclusive(Path(tempfile.gettempdir()) / f"gaze-latency-{os.getuid()}", wait=True):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"measuring latency failed with code {done.returncode}: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def time_calls(
    call: Callable[[], object], *, warm_up_s: float = _WARM_UP_S, measure_s: float = _MEASURE_S
) -> dict[str, Any]:
    """Time one function: as many calls as fit, at least ten, at most two thousand."""
    _run_for(call, warm_up_s, 3)
    times_ms = _run_for(call, measure_s, _LEAST_RUNS)
    return {
        "median": float(np.median(times_ms)),
        "p95": float(np.quantile(times_ms, 0.95)),
        "runs": len(times_ms),
    }


def _run_for(call: Callable[[], object], seconds: float, least: int) -> list[float]:
    times_ms: list[float] = []
    start = time.perf_counter()
    while len(times_ms) < least or (time.perf_counter() - start < seconds and len(times_ms) < _MOST_RUNS):
        before = time.perf_counter()
        call()
        times_ms.append(1000 * (time.perf_counter() - before))
    return times_ms


def main(seconds: float, trust: bool, paths: Sequence[str]) -> None:
    """Print the latencies of artefacts as JSON, measured on one core; for a process of its own."""
    # One core, so that no library's own threads can help where the platform allows it.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import common.quiet  # noqa: F401
    from evaluation.artefacts import blank_features, load_artefact

    results = []
    for path in paths:
        artefact = load_artefact(path, threads=1, trust=trust)
        features = blank_features(artefact.metadata)
        features["frame"] = np.random.default_rng(0).random(features["frame"].shape, dtype=np.float32)
        results.append(time_calls(artefact.one_frame(features), measure_s=seconds))
    print(json.dumps(results))


if __name__ == "__main__":
    end_soon()
    main(float(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:])
