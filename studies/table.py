"""The one table: each row with what it is worth, what it costs, and how it stands to the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from common.console import console
from evaluation.classification import paired_difference_ci
from evaluation.report import scaled
from studies.collect import read_predictions
from studies.declare import Row, Study, Table
from studies.records import Checksums, is_done, is_evaluated, read_record, read_result

COLUMNS = (
    "model",
    "transfer",
    "form",
    "params",
    "MACs",
    "bytes",
    "deflated",
    "latency, ms: median / p95",
    "accuracy (95 %)",
    "macro-F1 (95 %)",
    "NetScore",
    "× smaller",
    "× faster",
    "points below (95 %)",
)
_NARROW = tuple(name for name in COLUMNS if name not in ("params", "MACs", "deflated", "macro-F1 (95 %)", "× faster"))
_WIDE = 200


@dataclasses.dataclass(frozen=True)
class Line:
    """An evaluated row.

    Attributes:
        row: as declared.
        result: as stored.
        record: of the command that made the artefact; empty for an ensemble.
        smaller: the baseline's bytes over this row's, or None.
        faster: the baseline's median latency over this row's, or None.
        below: {"difference", "ci95"} of the baseline's accuracy minus this row's, on the same
            frames; None for the baseline and for other frames.
    """

    row: Row
    result: dict
    record: dict
    smaller: float | None
    faster: float | None
    below: dict | None

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
        smaller = faster = below = None
        if base and name != table.baseline:
            smaller = _ratio(_bytes(table.rows[table.baseline], base), _bytes(row, result))
            faster = _ratio(base["row"]["latency_ms"]["median"], result["row"]["latency_ms"]["median"])
            below = _below(study, table.rows[table.baseline], row, result["dataset"]["classes"])
        owner = study.row(row.table, row.of) if row.of else row
        lines.append(Line(row, result, read_record(study, owner), smaller, faster, below))
    return lines


def cells(line: Line) -> list[str]:
    """The text of each column."""
    row, timing = line.result["row"], line.result["row"]["latency_ms"]
    latency = f"{timing['median']:.2f} / {timing['p95']:.2f}" if timing["median"] is not None else ""
    below = ""
    if line.below:
        low, high = line.below["ci95"]
        below = f"{100 * line.below['difference']:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    return [
        line.row.model,
        line.row.transfer or "none",
        line.form,
        f"{row['params']:,}" if row["params"] else "",
        scaled(row["macs"], 1000, ("", " k", " M", " G")) if row["macs"] else "",
        f"{line.bytes:,}",
        f"{line.result['deflated_bytes']:,}" if line.result["deflated_bytes"] else "",
        latency,
        _estimate(row["accuracy"], row["accuracy_ci95"]),
        _estimate(row["macro_f1"], row["macro_f1_ci95"]),
        f"{row['netscore']:.1f}" if row["netscore"] is not None else "",
        _times_text(line.smaller),
        _times_text(line.faster),
        below,
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
        "a .keras file its weights as float32, 4 each. Deflated: the file after DEFLATE, level 9. Latency: one frame "
        "on one thread, after warm-up; of .keras files in TensorFlow, of .tflite files in LiteRT. "
        "NetScore: 20·log10(accuracy in %² / √(parameters in M · MACs in G)). "
        f"× smaller, × faster, points below: against {base} ({table.baseline}): its bytes, its median latency, its "
        "accuracy on the same frames (negative: above it)."
    )


def smallest_within(lines: Sequence[Line], reference: str, points: float = 1.0) -> tuple[Line, Line] | None:
    """(the smallest student at most so many points below the reference, the reference); None without it.

    Of equally small ones the more accurate.
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


def _below(study: Study, base: Row, row: Row, classes: Sequence[str]) -> dict | None:
    tables = read_predictions(study, base), read_predictions(study, row)
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


def _times_text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
