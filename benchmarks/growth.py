"""Claim: memory grows by some bytes per frame and not by its pixels, time in proportion, and large sets are mixed.

    python benchmarks/growth.py [--frames 10000 100000 1000000] [--folder growth]

Clips of 250 frames of 64×64 pixels, one for each patient, are prepared from their pixels on (decoding is in
`benchmarks/preparation.py`), opened, gone through for an epoch of training, with real and with shuffled gaze, and
evaluated; each step runs in a process of its own, whose peak of resident memory counts. Of an epoch 60,000 frames at
most are gone through, when all buffers have long been full. Then the mixing: distinct patients in a batch of 32, and in
32 batches after each other, against what a perfect shuffle of all frames gives. A folder that is named is kept, and a
step that it has the result of is not repeated; 10⁶ frames take 3 GB and about 15 minutes of a core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from benchmarks import shown  # noqa: E402
from benchmarks.growth_steps import BATCH, CLIP_FRAMES, STEPS, perfect  # noqa: E402

MEASURED = ("prepare", "open", "epoch", "shuffled gaze", "evaluate", "bootstrap")
SAID = {
    "prepare": "prepare, one process",
    "open": "open",
    "epoch": "an epoch of the training pipeline",
    "shuffled gaze": "the same with shuffled gaze",
    "evaluate": "evaluate an 8-bit student on all frames",
    "bootstrap": "metrics and bootstrap alone",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=None, help="keeps the data and the results")
    parser.add_argument("--steps", nargs="+", default=[*MEASURED, "mixing"], choices=[*MEASURED, "mixing"])
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = flags.folder or Path(temporary)
        found = {count: _measure(folder / str(count), count, flags.steps) for count in flags.frames}
    print(markdown(found))


def markdown(found: dict[int, dict[str, dict[str, Any]]]) -> str:
    """Tables of memory, of time and of mixing: {frames: {step: what it gave}}."""
    counts = sorted(found)
    head = [f"{count:,} frames" for count in counts]
    lines = [shown.measured_on("numpy", "pandas"), ""]
    between = list(itertools.pairwise(counts))
    grown = [f"more bytes per frame, {one:,} to {other:,}" for one, other in between]
    rows = []
    for step in ("idle", *(name for name in MEASURED if all(name in found[count] for count in counts))):
        peaks = [found[count][step]["peak_mib"] for count in counts]
        more = [(b - a) * 2**20 / (n - m) for (m, n), a, b in zip(between, peaks, peaks[1:])]
        cells = [f"{value:.0f}" for value in peaks] + [f"{value:.0f}" for value in more]
        rows.append((SAID.get(step, "nothing: importing alone"), *cells))
    lines += [shown.table(["peak of resident memory, MiB", *head, *grown], rows), ""]
    rows = []
    for step in [row for row in MEASURED if all(row in found[count] for count in counts)]:
        results = [(count, found[count][step]) for count in counts]
        firsts = [shown.significant(result.get("first_s", 0)) if "first_s" in result else "" for _, result in results]
        rate = [
            shown.significant(1e6 * (result["seconds"] - result.get("first_s", 0)) / result.get("frames", count))
            for count, result in results
        ]
        rows.append((SAID[step], *firsts, *rate))
    head = [*(f"s to the first batch, {name}" for name in head), *(f"µs per frame, {name}" for name in head)]
    lines += [shown.table(["time", *head], rows)]
    if all("mixing" in found[count] for count in counts):
        rows = []
        for name, drawn in (("a batch of 32", BATCH), ("32 batches", BATCH * 32)):
            key = "batch" if drawn == BATCH else "window"
            for count in counts:
                value, best = found[count]["mixing"][key], perfect(count, drawn)
                rows.append((f"{name}, {count:,} frames of {count // CLIP_FRAMES:,} patients", f"{value:.1f}",
                             f"{best:.1f}", f"{value / best:.3f}"))  # fmt: skip
        lines += ["", shown.table(["distinct patients in", "found", "perfect shuffle", "ratio"], rows)]
    return "\n".join(lines)


def _measure(folder: Path, frames: int, steps: list[str]) -> dict[str, dict[str, Any]]:
    """{step: its result}; what the folder has is not measured again."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for step in STEPS:
        if step in (*MEASURED, "mixing") and step not in steps:
            continue
        file = folder / f"{step.replace(' ', '_')}.json"
        if not file.is_file():
            _run(step, folder, frames, file)
        found[step] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _run(step: str, folder: Path, frames: int, file: Path) -> None:
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    words = [sys.executable, str(HERE / "growth_steps.py"), step, str(folder), str(frames)]
    done = subprocess.run(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}, text=True, check=True)
    line = done.stdout.strip().splitlines()[-1]
    print(f"{frames:,} frames, {step}: {line}", file=sys.stderr)
    file.write_text(line + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
