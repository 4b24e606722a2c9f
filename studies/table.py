"""The one table: each row with what it is worth, what it costs, and how it stands to the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from common.console import console
from evaluation.classification import paired_difference_ci
from evaluation.table import scaled
from studies.collect import read_predictions
from studies.declare import Row, Study, Table, references
from studies.records import Checksums, is_done, is_evaluated, read_record, read_result

COLUMNS = (
    "model",
    "transfer",
    "form",
    "params",
    "MACs",
    "bytes",
    "gzipped",
    "latency, ms: median / p95",
    "accuracy (95 %)",
    "macro-F1 (95 %)",
    "NetScore",
    "compression: own teacher",
    "compression: baseline",
    "speed-up",
    "accuracy minus baseline, pp (95 %)",
)
_NARROW = tuple(name for name in COLUMNS if name not in ("params", "MACs", "gzipped", "macro-F1 (95 %)", "speed-up"))
_WIDE = 200


@dataclasses.dataclass(frozen=True)
class Line:
    """An evaluated row.

    Attributes:
        row: as declared.
        result: as stored.
        record: of the command that made the artefact; empty for an ensemble.
        of_teacher: compression ratio to what taught it: the bytes of its teacher, or of its teachers together, over
            its own; None where no other row taught it.
        of_baseline: compression ratio to the baseline: its bytes over this row's; None for the baseline.
        speed_up: the baseline's median latency over this row's, or None.
        difference: {"difference", "ci95"} of this row's accuracy minus the baseline's, on the same
            frames; None for the baseline and for other frames.
    """

    row: Row
    result: dict
    record: dict
    of_teacher: float | None
    of_baseline: float | None
    speed_up: float | None
    difference: dict | None

    @property
    def accuracy(self) -> float:
        return self.result["row"]["accuracy"]

    @property
    def bytes(self) -> int:
        return _bytes(self.row, self.result)

    @property
    def form(self) -> str:
        return self.row.form or _form(self.row)

    @property
    def eight_bit(self) -> bool:
        return self.form.startswith("8-bit")

    @property
    def student(self) -> bool:
        """A single model small enough to leave as .tflite."""
        return self.row.artefact.endswith(".tflite")


def collect_lines(study: Study, table: Table, sums: Checksums) -> list[Line]:
    """The rows of a table that have a valid result, in their order."""
    valid = {
        name: read_result(study, row)
        for name, row in table.rows.items()
        if is_done(study, row, sums) and is_evaluated(study, row, sums)
    }
    base = valid.get(table.baseline)
    lines = []
    for name, result in valid.items():
        row = table.rows[name]
        of_baseline = speed_up = difference = None
        if base and name != table.baseline:
            of_baseline = _ratio(_bytes(table.rows[table.baseline], base), _bytes(row, result))
            speed_up = _ratio(base["row"]["latency_ms"]["median"], result["row"]["latency_ms"]["median"])
            difference = _difference(study, table.rows[table.baseline], row, result["dataset"]["classes"])
        taught_by = teachers(row, table.rows)
        of_teacher = None
        if taught_by and all(one in valid for one in taught_by):
            bytes_above = sum(_bytes(table.rows[one], valid[one]) for one in taught_by)
            of_teacher = _ratio(bytes_above, _bytes(row, result))
        owner = study.row(row.table, row.of) if row.of else row
        record = read_record(study, owner)
        lines.append(Line(row, result, record, of_teacher, of_baseline, speed_up, difference))
    return lines


def teachers(row: Row, rows: Mapping[str, Row]) -> tuple[str, ...]:
    """Names of the rows that taught a row; of a file made from another row's student, of those that taught that one."""
    named = references(row.flags.get("teacher-path")) or references(row.flags.get("teacher"))
    if named:
        return tuple(dict.fromkeys(name for name, _ in named))
    source = row.of or next((name for name, _ in references(row.source)), "")
    return teachers(rows[source], rows) if source else ()


def cells(line: Line) -> list[str]:
    """The text of each column."""
    row, timing = line.result["row"], line.result["row"]["latency_ms"]
    latency = f"{timing['median']:.2f} / {timing['p95']:.2f}" if timing["median"] is not None else ""
    difference = ""
    if line.difference:
        low, high = line.difference["ci95"]
        difference = f"{100 * line.difference['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return [
        line.row.model,
        line.row.transfer or "none",
        line.form,
        f"{row['params']:,}" if row["params"] else "",
        scaled(row["macs"], 1000, ("", " k", " M", " G")) if row["macs"] else "",
        f"{line.bytes:,}",
        f"{line.result['gzipped_bytes']:,}" if line.result["gzipped_bytes"] else "",
        latency,
        _estimate(row["accuracy"], row["accuracy_ci95"]),
        _estimate(row["macro_f1"], row["macro_f1_ci95"]),
        f"{row['netscore']:.1f}" if row["netscore"] is not None else "",
        _ratio_text(line.of_teacher),
        _ratio_text(line.of_baseline),
        _ratio_text(line.speed_up),
        difference,
    ]


def print_lines(study: Study, table: Table, lines: Sequence[Line]) -> None:
    """Show a table on the terminal."""
    if not lines:
        console.print(f"{table.title}: no row has a result yet")
        return
    data = lines[0].result["dataset"]
    kind = "simulated frames" if data["simulated"] else "frames"
    counts = lines[0].result["row"]
    title = f"{table.title}: {counts['n_frames']} test {kind} of {counts['n_patients']} patients"
    # A log takes any width; a terminal has the one it has.
    screen = console if console.is_terminal else Console(width=_WIDE, file=console.file)
    columns = COLUMNS if screen.width >= _WIDE else _NARROW
    shown = RichTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        words = name in ("model", "transfer", "form")
        header = name.replace(" (", "\n(").replace(": ", "\n").replace("latency, ms", "latency ms")
        shown.add_column(header, justify="left" if words else "right", overflow="fold", min_width=14 if words else None)
    for line in lines:
        texts = dict(zip(COLUMNS, cells(line)))
        shown.add_row(*(escape(_folded(texts[name])) for name in columns))
    screen.print(shown)
    if left_out := [name for name in COLUMNS if name not in columns]:
        console.print(
            f"Left out for want of width: {', '.join(left_out)}: in {_WIDE} columns and in --markdown they are there.",
            markup=False,
            highlight=False,
        )
    console.print(explain(table), markup=False, highlight=False)


def explain(table: Table) -> str:
    """What the columns mean."""
    base = table.rows[table.baseline].model
    return (
        "Intervals: 95 %, by bootstrap over patients, for one training. MACs per frame. Bytes: of the .tflite file; of "
        "a .keras file its weights as float32, 4 each. Gzipped: the file after gzip's compression, level 9. "
        "Latency: one frame on one thread, after warm-up; of .keras files in TensorFlow, of .tflite files in LiteRT. "
        "NetScore: 20·log10(accuracy in %² / √(parameters in M · MACs in G)). "
        "Compression ratios: bytes of the model that is compared with, over the row's; of own teacher: of the row that "
        f"taught it, or of all that did; of the baseline: {base} ({table.baseline}). Speed-up: its median latency over "
        "the row's. The last column: accuracy minus the baseline's on the same frames, in percentage points (pp)."
    )


def smallest_within(lines: Sequence[Line], reference: str, points: float = 1.0) -> tuple[Line, Line] | None:
    """(the smallest student within so many percentage points of the reference, the reference); None without it.

    It may be more accurate than the reference. Of equally small ones the more accurate.
    """
    base = next((line for line in lines if line.row.name == reference), None)
    if base is None:
        return None
    near = [line for line in lines if line.student and line.accuracy >= base.accuracy - points / 100 - 1e-9]
    return (min(near, key=lambda line: (line.bytes, -line.accuracy)), base) if near else None


def best_distilled(lines: Sequence[Line], most_bytes: int) -> Line | None:
    """The most accurate 8-bit student that was taught, of those below so many bytes; the smaller of equals."""
    found = [
        line for line in lines if line.student and line.eight_bit and line.row.transfer and line.bytes < most_bytes
    ]
    return max(found, key=lambda line: (line.accuracy, -line.bytes), default=None)


def _folded(text: str) -> str:
    """An estimate over its interval, so that the table is narrower."""
    return text.replace(" (", "\n(").replace(" / ", "\n") if text[:1].isdigit() or text[:1] == "-" else text


def _form(row: Row) -> str:
    if row.how == "ensemble":
        return "ensemble"
    if not row.artefact.endswith(".tflite"):
        return "float"
    return "8-bit" if "int8" in row.artefact or "ptq" in row.artefact else "float .tflite"


def _difference(study: Study, base: Row, row: Row, classes: Sequence[str]) -> dict | None:
    tables = read_predictions(study, row), read_predictions(study, base)
    try:
        return paired_difference_ci(*tables, classes)
    except (ValueError, KeyError):
        return None  # other frames or other classes: there is no difference on the same frames


def _estimate(value: float, interval: Sequence[float] | None) -> str:
    return f"{value:.3f}" + (f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else "")


def _bytes(row: Row, result: dict) -> int:
    """A .keras file may hold more than the weights, or round them: what counts is that there are so many."""
    stored = result["row"]
    return 4 * stored["params"] if row.artefact.endswith(".keras") else stored["bytes"]


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _ratio_text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
