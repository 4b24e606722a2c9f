"""Preparing recordings against decoding them: what `prepare.py recordings` adds to what PyAV alone takes, in pairs.

    python benchmarks/preparation.py

Writes H.264 videos of simulated speckle, 800×600 at 25 frames a second, and reads them in turns: PyAV alone, in one
thread, to grey arrays; and `prepare.py recordings` with one process, to 224×288. The ratio of the two speeds is the
share of its time in which preparation only decodes. Then the same with several processes. Ratios inside one run mean
something on any machine; the frames a second are of this one.
"""

from __future__ import annotations

import contextlib
import csv
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks import shown  # noqa: E402
from common.errors import run_command  # noqa: E402
from common.files import write_text  # noqa: E402
from common.parallel import core_count  # noqa: E402
from common.parsing import Parser  # noqa: E402

SIZE = (600, 800)
FPS = 25
PATIENTS = 4


def main(argv: list[str]) -> None:
    flags = _parser().parse_args(argv)
    from common import quiet  # noqa: F401  (before TensorFlow, and not in the processes that decode)

    with tempfile.TemporaryDirectory() as folder:
        manifest = _write(Path(folder), flags.seconds)
        frames = PATIENTS * flags.seconds * FPS
        report = {
            "measured_on": shown.measured_on("av", "opencv-python-headless"),
            "cores": core_count(),
            "frames": frames,
            "size": list(SIZE),
            "rows": [],
        }
        for keep_fps, jobs in ((None, 1), (5.0, 1), (None, flags.jobs), (5.0, flags.jobs)):
            pairs = [_pair(manifest, Path(folder) / "out", keep_fps, jobs) for _ in range(flags.pairs)]
            alone, whole = (statistics.median(frames / pair[k] for pair in pairs) for k in (0, 1))
            row = {
                "kept_per_s": keep_fps or FPS,
                "jobs": jobs,
                "pyav_frames_per_s": alone,
                "prepare_frames_per_s": whole,
                "ratio_per_process": statistics.median(pair[0] / pair[1] for pair in pairs) / jobs,
            }
            report["rows"].append(row)
    if flags.json:
        write_text(flags.json, json.dumps(report, indent=2) + "\n")
    print(markdown(report))


def _parser() -> Parser:
    parser = Parser(prog="preparation.py", description=__doc__)
    parser.add_argument("--seconds", type=int, default=6, help="length of each of the videos")
    parser.add_argument("--pairs", type=int, default=2, help="measurements in turns; medians are given")
    parser.add_argument("--jobs", type=int, default=core_count(), help="processes of the second half")
    parser.add_argument("--json", type=Path | None, default=None, help="write the figures there")
    return parser


def _write(folder: Path, seconds: int) -> Path:
    """Videos and their manifest: speckle that moves in a sector, with a disc in it."""
    rows = []
    for number in range(PATIENTS):
        rng = np.random.default_rng(number)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        sector = np.abs(np.arctan2(x - 400, y + 100)) < 0.6
        grain = cv2.GaussianBlur(rng.rayleigh(60, (SIZE[0] + 40, SIZE[1] + 40)).astype(np.float32), (0, 0), 1.5)
        path = folder / f"{number}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            for index in range(seconds * FPS):
                shift = int(20 + 15 * np.sin(index / 9))
                picture = grain[shift : shift + SIZE[0], 20 : 20 + SIZE[1]] * sector
                picture = picture + (20 * sector) * rng.standard_normal(SIZE, dtype=np.float32)
                grey = np.clip(picture, 0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray")))
            container.mux(stream.encode())
        split = ("train", "train", "val", "test")[number]
        rows.append({"recording_id": f"r{number}", "patient_id": f"p{number}", "video": path.name, "label": "a"})
        rows[-1]["split"] = split
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def _pair(manifest: Path, out: Path, keep_fps: float | None, jobs: int) -> tuple[float, float]:
    """Seconds of PyAV alone and of the preparation."""
    from data.sources import RecordingsConfig, prepare_recordings

    start = time.perf_counter()
    for path in sorted(manifest.parent.glob("*.mp4")):
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "NONE"
            for frame in container.decode(video=0):
                frame.to_ndarray(format="gray")
    middle = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        prepare_recordings(RecordingsConfig(manifest=manifest, out=out, fps=keep_fps, jobs=jobs, overwrite=True))
    return middle - start, time.perf_counter() - middle


def markdown(report: dict) -> str:
    """The report as a Markdown table."""
    head = (f"kept of {FPS} a second", "processes", "PyAV alone, frames/s", "prepare.py, frames/s", "ratio a process")
    rows = [
        (f"{row['kept_per_s']:g}", row["jobs"], f"{row['pyav_frames_per_s']:.0f}", f"{row['prepare_frames_per_s']:.0f}",
         f"{row['ratio_per_process']:.2f}")
        for row in report["rows"]
    ]  # fmt: skip
    said = f"{report['frames']} frames of {SIZE[1]}×{SIZE[0]}, H.264."
    return "\n".join([report["measured_on"], "", said, "", shown.table(head, rows)])


if __name__ == "__main__":
    sys.exit(run_command(main))
