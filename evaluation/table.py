"""A report on the terminal: a row per artefact, and the saliency metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from common.console import console
from data.simulation import adjective, training_note
from evaluation.by_scanner import scanners_of
from evaluation.compression import compare
from evaluation.saliency import METRICS


def print_table(report: Mapping[str, Any]) -> None:
    """Show the report: a row per artefact; a narrow terminal gets fewer columns."""
    dataset, rows = report["dataset"], report["artefacts"]
    note = training_note(dataset)
    counts = f"{dataset['n_frames']} {adjective(dataset['simulated'])}frames, {dataset['n_patients']} patients"
    counts += f"; {note}" if note else ""
    narrow = console.width < 125
    table = Table(
        title=Text(f"{dataset['path']}, split {dataset['split']}: {counts}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 0) if narrow else (0, 1),
        pad_edge=False,
    )
    table.add_column("artefact", overflow="fold", min_width=19)
    conventional = report["conventional"]["name"]
    columns = _columns(conventional, narrow)
    for name in columns:
        table.add_column(Text(name), justify="right", no_wrap=True)
    paths = [row["path"] for row in rows]
    for row in rows:
        cells = _cells(row, report, "\n" if narrow else " ")
        table.add_row(Text(short_name(row["path"], paths)), *(Text(cells[name]) for name in columns))
    console.print(table)
    console.print(
        f"CI: bootstrap over patients. Compression: float32 weights of the artefact's own teacher, and of "
        f"{conventional} ({count_text(report['conventional']['params'])} parameters), over its bytes. "
        "MACs per frame. Latency: one thread, batch 1, after warm-up. Memory: peak of a .tflite file's loading "
        "and one answer, in LiteRT. "
        "NetScore: 20·log10(accuracy in %² / √(parameters in M · MACs in G)).",
        markup=False,
        highlight=False,
    )
    _print_scanners(rows, paths)
    if "saliency" in report:
        _print_saliency(report["saliency"])


def _columns(conventional: str, narrow: bool) -> list[str]:
    accuracy, ratios = "accuracy %\n[95 % CI]", ["compression\nto teacher", f"compression\nto {conventional}"]
    if narrow:
        return [accuracy, "size\nmemory", *ratios, "latency\nms /p95"]
    return [accuracy, "macro F1", "params", "MACs", "size\nmemory", *ratios, "latency ms\nmedian / p95", "NetScore"]


def _cells(row: Mapping[str, Any], report: Mapping[str, Any], between: str) -> dict[str, str]:
    """The text of each column; `between` separates an estimate from its interval."""
    timing = row["latency_ms"]
    latency = "—"
    if timing["median"] is not None:
        latency = f"{timing['median']:.2f} /{between}{timing['p95']:.2f}"
    to_teacher, to_conventional, _ = compare(row, report).texts()
    return {
        "accuracy %\n[95 % CI]": _cells_of_accuracy(row, between),
        "macro F1": f"{row['macro_f1']:.3f}",
        "params": count_text(row["params"]),
        "MACs": count_text(row["macs"]),
        # Below each other, since a column of its own would not fit into 140 characters.
        "size\nmemory": "\n".join(bytes_text(count) for count in _sizes(row)),
        "compression\nto teacher": to_teacher or "—",
        f"compression\nto {report['conventional']['name']}": to_conventional or "—",
        "latency ms\nmedian / p95": latency,
        "latency\nms /p95": latency,
        "NetScore": f"{row['netscore']:.1f}" if row["netscore"] is not None else "—",
    }


def _sizes(row: Mapping[str, Any]) -> list[int]:
    """Bytes on disk, and at the peak of an inference where that was measured."""
    return [row["bytes"], *([row["memory_bytes"]] if row["memory_bytes"] is not None else [])]


def _print_scanners(rows: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> None:
    """Accuracy on each scanner, where there are several."""
    scanners = scanners_of(rows)
    if not scanners:
        return
    table = Table(title=Text("Accuracy by scanner, % [95 % CI]"), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("artefact", overflow="fold", min_width=19)
    for name in scanners:
        found = rows[0]["per_scanner"][name]
        table.add_column(Text(f"{name}\n{found['n_frames']} of {found['n_patients']}"), justify="right")
    for row in rows:
        cells = [_cells_of_accuracy(row["per_scanner"][name], "\n") for name in scanners]
        table.add_row(Text(short_name(row["path"], paths)), *map(Text, cells))
    console.print(table)


def _cells_of_accuracy(metrics: Mapping[str, Any], between: str) -> str:
    text, interval = f"{100 * metrics['accuracy']:.1f}", metrics["accuracy_ci95"]
    return text if interval is None else f"{text}{between}[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _print_saliency(saliency: Mapping[str, Any]) -> None:
    fixations = saliency["fixations"]
    rule = "I-DT, 1°, 100 ms" if fixations["rule"] == "idt" else "every gaze sample"
    title = (
        f"Maps against the gaze, {saliency['n_frames']} frames with gaze; fixations: {fixations['rule']} ({rule}), "
        f"on {fixations['n_frames']} frames"
    )
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 0) if console.width < 125 else (0, 1),
        pad_edge=False,
    )
    rows = saliency["rows"]
    several = len({row["sigma"] for row in rows}) > 1
    names = [row["name"] for row in rows]
    table.add_column("map", no_wrap=True)
    table.add_column("of", overflow="fold", min_width=16)
    if several:
        table.add_column("sigma", justify="right")
    for name in METRICS:
        table.add_column(name.replace("_", " ").upper(), justify="right")
    for row in rows:
        of = "" if row["name"] == row["map"] else short_name(row["name"], names)
        values = [f"{row[name]:.3f}" if row[name] is not None else "—" for name in METRICS]
        table.add_row(row["map"], Text(of), *([f"{row['sigma']:g}"] if several else []), *values)
    console.print(table)
    if fixations["reason"]:
        console.print(f"Fixations: {fixations['reason']}, so every gaze sample counts as one.", markup=False)


def short_name(path: str, all_paths: Sequence[str]) -> str:
    """As much of a path's end as tells it from the others: one part if that will do."""
    parts = Path(path).parts
    for length in range(1, len(parts)):
        end = parts[-length:]
        if sum(Path(other).parts[-length:] == end for other in all_paths) == 1:
            return "/".join(end)
    return path


def bytes_text(count: float | None) -> str:
    """1234567 → "1.23 MB"; "—" for None."""
    return scaled(count, 1000, (" B", " kB", " MB", " GB"))


def count_text(count: float | None) -> str:
    """1234567 → "1.23 M"; "—" for None."""
    return scaled(count, 1000, ("", " k", " M", " G"))


def scaled(value: float | None, base: int, units: Sequence[str]) -> str:
    """A number with the largest unit that leaves it at least 1: 1234567 → "1.23 MB"; "—" for None."""
    if value is None:
        return "—"
    power = min(int(math.log(max(value, 1), base) + 1e-9), len(units) - 1)
    return f"{value / base**power:.{0 if power == 0 else 2}f}{units[power]}"
