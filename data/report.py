"""What a data set holds and what was left out, as tables on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rich.table import Table

from common.console import console, say
from data.dataset import UNKNOWN_SCANNER, Dataset
from data.simulation import PARTLY, simulated
from data.splits import SPLITS


def print_dataset_report(data: Dataset) -> None:
    """Print frames, recordings, patients, classes and gaze per split; then refusals and notes.

    All of it is read from `dataset.json`, so that a report can be printed again later.
    """
    height, width = data.frame_size
    kind, of = data.info["source"].get("kind", "unknown"), simulated(data.info)
    say(f"{data.path}: {width}x{height} frames, {kind}{', partly simulated' if of == PARTLY else ''}")
    console.print(_splits_table(data))
    scanners: Counter[str] = Counter()
    for split in SPLITS:
        scanners.update(data.info["splits"][split]["frames_per_scanner"])
    if set(scanners) != {UNKNOWN_SCANNER}:
        console.print(_counts_table("scanner (frames)", scanners))
    for title, counts in (("refused", data.info["refused"]), ("notes", data.info["notes"])):
        if counts:
            console.print(_counts_table(title, counts))
        else:
            console.print(f"{title}: nothing")
    for line in dataset_warnings(data):
        console.print(line, style="yellow", markup=False)


def dataset_warnings(data: Dataset) -> list[str]:
    """A line for each thing about the data that every report of it has to say; [] if none."""
    notes = data.info["notes"]
    return [f"{what}: {count:g}" for what, count in notes.items() if what.startswith("warning: ")]


def _splits_table(data: Dataset) -> Table:
    table = Table("split", "class")
    for column in ("frames", "with gaze", "gaze", "recordings", "patients"):
        table.add_column(column, justify="right")
    for split in SPLITS:
        found = data.info["splits"][split]
        if not found["frames"]:
            table.add_row(split, "all", "0", "0", "-", "0", "0", end_section=True)
            continue
        gaze = found["gaze_frames_per_class"]
        for name, frames in found["frames_per_class"].items():
            table.add_row(split, name, f"{frames:,}", f"{gaze[name]:,}", _share(gaze[name], frames))
        table.add_row(
            split,
            "all",
            f"{found['frames']:,}",
            f"{found['gaze_frames']:,}",
            _share(found["gaze_frames"], found["frames"]),
            f"{found['recordings']:,}",
            f"{found['patients']:,}",
            style="bold",
            end_section=True,
        )
    return table


def _counts_table(title: str, counts: Mapping[str, float]) -> Table:
    table = Table(title)
    table.add_column("count", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,g}" if isinstance(count, float) else f"{count:,}")
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
