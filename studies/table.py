"""A table of rows: each with its accuracy, its size and speed, and its difference to the baseline."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.documents import read_json
from evaluation.classification import paired_difference_ci
from evaluation.table import count_text
from quantization.footprint import gzipped_bytes
from studies.check import current_rows
from studies.declare import Row, Study, Table


@dataclasses.dataclass(frozen=True)
class Line:
    """An evaluated row.

    Attributes:
        row: as declared.
        report: what evaluate.py wrote of it; `found` is its row there.
        spent: what Snakemake measured of its command, such as "s" and "cpu_time"; empty where it has none, and of a
            command whose last start found a part of the work done.
        gzipped: bytes of .tflite files after gzip (`quantization.footprint.gzipped_bytes`), or None.
        date: of the evaluation.
        base: the baseline's line; None for the baseline itself, and where it has no result.
        difference: {"difference", "ci95"} of this row's accuracy minus the baseline's on the same frames, or None.
    """

    row: Row
    report: dict[str, Any]
    spent: Mapping[str, float] = dataclasses.field(default_factory=dict)
    gzipped: int | None = None
    date: str = ""
    base: Line | None = None
    difference: dict[str, Any] | None = None

    @property
    def found(self) -> dict[str, Any]:
        """The row of the report; of an ensemble the one of all members together."""
        return self.report["artefacts"][-1]

    @property
    def accuracy(self) -> float:
        """Share of the labelled test frames that are classified correctly."""
        return self.found["accuracy"]

    @property
    def bytes(self) -> int:
        """A .keras file may hold more than the weights, or round them: what counts is that there are so many."""
        return 4 * self.found["params"] if self.row.artefact.endswith(".keras") else self.found["bytes"]

    @property
    def latency(self) -> float | None:
        """Median, ms."""
        return self.found["latency_ms"]["median"]

    @property
    def processor(self) -> str:
        """On which latency was measured."""
        return self.report["measured_on"]["processor"]

    @property
    def form(self) -> str:
        """As the study names it, else "float", "8-bit", "float .tflite" or "ensemble"."""
        if self.row.form or self.row.ensemble:
            return self.row.form or "ensemble"
        eight_bit = "int8" in self.row.artefact or "ptq" in self.row.artefact
        return "float" if not self.student else "8-bit" if eight_bit else "float .tflite"

    @property
    def student(self) -> bool:
        """A single model small enough to leave as .tflite."""
        return self.row.artefact.endswith(".tflite")


def collect_lines(study: Study, table: Table) -> list[Line]:
    """The rows of a table that have a result of the study as it is now, in their order."""
    current = {row.name: row for row in current_rows(study, table)}
    base = _line(study, current[table.baseline]) if table.baseline in current else None
    return [base if base and name == table.baseline else _line(study, row, base) for name, row in current.items()]


def read_predictions(study: Study, row: Row) -> pd.DataFrame:
    """The predictions of an evaluated row; of an ensemble those of all together."""
    types = {"recording_id": str, "patient_id": str, "artefact": str}
    table = pd.read_csv(study.folder(row) / "predictions.csv", dtype=types, keep_default_na=False, na_values=["nan"])
    last = table["artefact"] == table["artefact"].iloc[-1]
    return table[last].drop(columns="artefact").reset_index(drop=True)


def _line(study: Study, row: Row, base: Line | None = None) -> Line:
    folder = study.folder(row)
    report = read_json(folder / "result.json", "the result of a row", "delete it and run the study again")
    spent, difference = {}, None
    if row.trains and (folder / "time.tsv").is_file() and _is_of_one_start(folder / "log.txt"):
        measured = pd.read_csv(folder / "time.tsv", sep="\t", na_values="-")[["s", "cpu_time"]].iloc[-1]
        spent = {str(name): float(value) for name, value in measured.dropna().items()}
    if base:
        tables = read_predictions(study, row), read_predictions(study, base.row)
        with contextlib.suppress(ValueError, KeyError):  # other frames or other classes
            difference = paired_difference_ci(*tables, report["dataset"]["classes"])
    files = study.artefacts(row)
    return Line(
        row,
        report,
        spent,
        sum(_gzipped(path) for path in files) if all(path.suffix == ".tflite" for path in files) else None,
        datetime.date.fromtimestamp((folder / "result.json").stat().st_mtime).isoformat(),
        base,
        difference,
    )


def _is_of_one_start(log: Path) -> bool:
    """Whether a command did all its work in its last start, of which alone the log and the time are."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    first: dict[str, str] = {}
    for stage, epoch in re.findall(r"^(\S+) (\d+)/\d+  ", text, re.MULTILINE):
        first.setdefault(stage, epoch)
    taken = re.findall(r"^(\w+) took \d+ s$", text, re.MULTILINE)
    again = re.search(r"^\w+: reused from |^going on from ", text, re.MULTILINE)
    return not again and set(first.values()) <= {"1"} and set(taken) <= set(first)


@functools.cache
def _gzipped(path: Path) -> int:
    return gzipped_bytes(path)


def _memory(line: Line) -> str:
    return _counted(line.found["memory_bytes"], lambda n: f"{n / 1e6:.1f}")


def _latency(line: Line) -> str:
    return f"{line.latency:.2f} / {line.found['latency_ms']['p95']:.2f}" if line.latency is not None else ""


def _estimate(line: Line, name: str) -> str:
    value, interval = line.found[name], line.found[f"{name}_ci95"]
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")


def _ratio(above: float | None, below: float | None) -> str:
    if not above or not below:
        return ""
    return f"{above / below:,.0f}" if above >= 10 * below else f"{above / below:.1f}"


def _speed_up(line: Line) -> str:
    """Empty where the two were timed on different processors."""
    same = line.base is not None and line.base.processor == line.processor
    return _ratio(line.base.latency, line.latency) if line.base and same else ""


def _difference(line: Line) -> str:
    if not line.difference:
        return ""
    low, high = line.difference["ci95"]
    return f"{100 * line.difference['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _counted(value: float | None, text: Callable[[float], str]) -> str:
    return text(value) if value else ""


COLUMNS: dict[str, Callable[[Line], str]] = {
    "model": lambda line: line.row.model,
    "transfer": lambda line: line.row.transfer or "none",
    "form": lambda line: line.form,
    "params": lambda line: _counted(line.found["params"], "{:,}".format),
    "MACs": lambda line: _counted(line.found["macs"], count_text),
    "bytes": lambda line: f"{line.bytes:,}",
    "gzipped": lambda line: _counted(line.gzipped, "{:,}".format),
    "latency, ms: median / p95": _latency,
    "peak memory, MB": _memory,
    "accuracy (95 %)": lambda line: _estimate(line, "accuracy"),
    "macro-F1 (95 %)": lambda line: _estimate(line, "macro_f1"),
    "NetScore": lambda line: _counted(line.found["netscore"], "{:.1f}".format),
    "compression: own teacher": lambda line: _ratio(line.found["compression"]["to_teacher"], 1),
    "compression: baseline": lambda line: _ratio(line.base.bytes if line.base else None, line.bytes),
    "speed-up": _speed_up,
    "accuracy minus baseline, pp (95 %)": _difference,
}


def explain(table: Table) -> str:
    """What the columns mean."""
    return (
        "Intervals: 95 %, by bootstrap over patients, for one training. MACs per frame. Bytes: of the .tflite file; of "
        "a .keras file its weights as float32, 4 each. Gzipped: the file after gzip, level 9. "
        "Latency: one frame on one thread, after warm-up; of .keras files in TensorFlow, of .tflite files in LiteRT. "
        "Peak memory: what a .tflite file takes in LiteRT to be loaded and to answer one frame. "
        "NetScore: 20·log10(accuracy in %² / √(parameters in M · MACs in G)). "
        "Compression ratios: bytes of the model that is compared with, over the row's; of own teacher: float32 weights "
        "of what taught it, or of all that did; of the baseline: "
        f"{table.rows[table.baseline].model} ({table.baseline}). Speed-up: its median latency over the row's, on one "
        "processor. The last "
        "column: accuracy minus the baseline's on the same frames, in percentage points (pp)."
    )


def smallest_within(lines: Sequence[Line], reference: str) -> tuple[Line, Line] | None:
    """(the smallest student within one percentage point of the reference, the reference); None without it.

    It may be more accurate than the reference. Of equally small ones the more accurate.
    """
    base = next((line for line in lines if line.row.name == reference), None)
    near = [line for line in lines if base and line.student and line.accuracy >= base.accuracy - 0.01 - 1e-9]
    return (min(near, key=lambda line: (line.bytes, -line.accuracy)), base) if near and base else None


def best_distilled(lines: Sequence[Line], most_bytes: int) -> Line | None:
    """The most accurate 8-bit student that was taught, of those below so many bytes; the smaller of equals."""
    taught = [line for line in lines if line.student and line.form.startswith("8-bit") and line.row.transfer]
    small = [line for line in taught if line.bytes < most_bytes]
    return max(small, key=lambda line: (line.accuracy, -line.bytes), default=None)
