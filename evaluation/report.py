"""Everything that is said about a set of artefacts on one split of one data set."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from common.console import console
from common.errors import InputError
from common.files import write_text
from common.grid import GAZE_STRIDE
from data.dataset import Dataset, open_dataset
from evaluation.agreement import gaze_agreement, require_gaze
from evaluation.artefacts import Artefact, check_matches, load_artefact
from evaluation.classification import BOOTSTRAP_DRAWS, classification_metrics, labelled, paired_difference_ci
from evaluation.complexity import bytes_on_disk, count_macs, count_params, netscore
from evaluation.ensemble import NAME as ENSEMBLE
from evaluation.ensemble import ensemble_cost, ensemble_table, require_members
from evaluation.latency import measure_latency
from evaluation.predictions import predict_split
from evaluation.saliency import METRICS


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A report with what it was computed from.

    Attributes:
        report: the JSON-ready dict that `evaluate` gives.
        tables: predictions, one per row of the report, in its order.
        artefacts: as loaded.
        data: the opened data set.
        split: the split's name.
    """

    report: dict
    tables: list[pd.DataFrame]
    artefacts: list[Artefact]
    data: Dataset
    split: str


def evaluate(
    artefact_paths: Sequence[str | os.PathLike],
    dataset_path: str | os.PathLike,
    split: str = "test",
    **options,
) -> dict:
    """The report alone; see `run_evaluation` for the options and for what is in it."""
    return run_evaluation(artefact_paths, dataset_path, split, **options).report


def run_evaluation(
    artefact_paths: Sequence[str | os.PathLike],
    dataset_path: str | os.PathLike,
    split: str = "test",
    *,
    gaze: str = "real",
    batch_size: int = 64,
    draws: int = BOOTSTRAP_DRAWS,
    latency: bool = True,
    saliency: bool = False,
    ensemble: bool = False,
) -> Evaluation:
    """Evaluate artefacts on a split.

    Args:
        artefact_paths: `.keras`, `.tflite` or SavedModel folders, each with its metadata.
        dataset_path: a data set folder.
        split: "train", "val" or "test".
        gaze: what teachers see: "real", "none", "shuffled" or "centre".
        batch_size: frames a batch.
        draws: of the bootstrap over patients.
        latency: time each artefact; without it, `latency_ms` holds nulls.
        saliency: compare where the `.keras` artefacts look with the gaze, beside a static prior.
        ensemble: add a last row, of kind "ensemble": all artefacts together, by the mean of
            their probabilities; its parameters, MACs, bytes and times are their sums.

    Returns:
        An `Evaluation`; its report is {"dataset": {...}, "artefacts": [{"path", "kind",
        "n_frames", "n_patients", "accuracy", "accuracy_ci95", "macro_f1", "per_class",
        "confusion", "params", "macs", "bytes", "latency_ms", "netscore", ...}]}. What
        can't be known is null: params and MACs that the metadata doesn't hold, an interval
        over fewer than two patients.

    Raises:
        InputError: whatever is wrong with an artefact, the data set or their match. All
            artefacts are loaded and checked before the first is run.
    """
    data = open_dataset(dataset_path)
    data.frames(split)
    if saliency:
        require_gaze(data, split)
    if not artefact_paths:
        raise InputError("no artefact is given: name at least one .keras, .tflite or SavedModel folder")
    if ensemble:
        require_members(artefact_paths)
    artefacts = [load_artefact(path) for path in artefact_paths]
    for artefact in artefacts:
        check_matches(artefact.metadata, data, artefact.path)
    tables = [predict_split(artefact, data, split, gaze, batch_size) for artefact in artefacts]
    if not len(labelled(tables[0])):
        raise InputError(f"{data.path}: no frame of split {split!r} has a label: evaluate on a labelled split")
    with console.status("measuring latency"):
        timings = measure_latency(artefact_paths) if latency else [{"median": None, "p95": None}] * len(artefacts)
    rows = [
        _artefact_row(artefact, table, data, gaze, timing, draws)
        for artefact, table, timing in zip(artefacts, tables, timings)
    ]
    if ensemble:
        tables.append(ensemble_table(tables))
        rows.append(_ensemble_row(rows, tables[-1], data, draws))
    for row, table in zip(rows[1:], tables[1:]):
        difference = paired_difference_ci(table, tables[0], data.classes, draws=draws)
        row["accuracy_minus_first"] = {**difference, "first": rows[0]["path"]}
    report = {"dataset": _dataset_row(data, split), "artefacts": rows}
    if saliency:
        report["saliency"] = gaze_agreement(artefacts, data, split, gaze=gaze, batch_size=batch_size)
    report = _without_nan(report)
    return Evaluation(report, tables, artefacts, data, split)


def write_report(path: str | os.PathLike, report: dict) -> None:
    """Write the report as JSON, whole or not at all."""
    write_text(path, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_predictions(path: str | os.PathLike, evaluation: Evaluation) -> None:
    """Write all predictions as one CSV: the column `artefact` first, then the tables' own."""
    tables = [
        table.assign(artefact=row["path"]) for row, table in zip(evaluation.report["artefacts"], evaluation.tables)
    ]
    joined = pd.concat(tables, ignore_index=True)
    joined = joined[["artefact", *joined.columns.drop("artefact")]]
    write_text(path, joined.to_csv(index=False))


def print_table(report: dict) -> None:
    """Show the report: a row per artefact; a narrow terminal gets fewer columns."""
    dataset, rows = report["dataset"], report["artefacts"]
    kind = "simulated frames" if dataset["simulated"] else "frames"
    counts = f"{dataset['n_frames']} {kind}, {dataset['n_patients']} patients"
    narrow = console.width < 125
    table = Table(
        title=f"{dataset['path']}, split {dataset['split']}: {counts}",
        title_justify="left",
        box=box.SIMPLE_HEAD if narrow else box.HEAVY_HEAD,
        padding=(0, 0) if narrow else (0, 1),
        pad_edge=False,
    )
    table.add_column("artefact", overflow="fold", min_width=19)
    columns = _NARROW if narrow else _COLUMNS
    for name in columns:
        header = name.replace(" / ", "/\n").replace("macro ", "macro\n") if narrow else name
        table.add_column(header, justify="left" if name == "kind" else "right", no_wrap=True)
    for row in rows:
        cells = _cells(row, between="\n" if narrow else " ")
        table.add_row(short_name(row["path"], [other["path"] for other in rows]), *(cells[n] for n in columns))
    console.print(table)
    console.print(
        "CI: bootstrap over patients. MACs per frame. Latency: one thread, batch 1, after warm-up. "
        "NetScore: 20·log10(accuracy in %² / √(parameters in M · MACs in G))."
    )
    if "saliency" in report:
        _print_saliency(report["saliency"])


_COLUMNS = (
    "kind",
    "frames",
    "accuracy %\n[95 % CI]",
    "macro F1",
    "params",
    "MACs",
    "size",
    "latency ms\nmedian / p95",
    "NetScore",
)
_NARROW = tuple(name for name in _COLUMNS if name not in ("kind", "frames", "MACs"))


def _cells(row: dict, between: str) -> dict[str, str]:
    """The text of each column; `between` parts an estimate from its interval."""
    interval, timing = row["accuracy_ci95"], row["latency_ms"]
    accuracy = [f"{100 * row['accuracy']:.1f}"]
    if interval is not None:
        accuracy.append(f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]")
    latency = "—"
    if timing["median"] is not None:
        latency = f"{timing['median']:.2f} /{between}{timing['p95']:.2f}"
    values = (
        row["kind"],
        str(row["n_frames"]),
        escape(between.join(accuracy)),
        f"{row['macro_f1']:.3f}",
        scaled(row["params"], 1000, ("", " k", " M", " G")),
        scaled(row["macs"], 1000, ("", " k", " M", " G")),
        scaled(row["bytes"], 1000, (" B", " kB", " MB", " GB")),
        latency,
        f"{row['netscore']:.1f}" if row["netscore"] is not None else "—",
    )
    return dict(zip(_COLUMNS, values))


def _print_saliency(saliency: dict) -> None:
    title = f"Attention at stride {GAZE_STRIDE} against the gaze, {saliency['n_frames']} frames with gaze"
    table = Table(title=title, title_justify="left")
    names = [row["name"] for row in saliency["rows"]]
    table.add_column("map", overflow="fold", min_width=20)
    for name in METRICS:
        table.add_column(name.replace("_", " ").upper(), justify="right")
    for row in saliency["rows"]:
        values = (f"{row[name]:.3f}" if row[name] is not None else "—" for name in METRICS)
        table.add_row(short_name(row["name"], names), *values)
    console.print(table)


def _dataset_row(data: Dataset, split: str) -> dict:
    source = data.info["source"]
    return {
        "path": str(data.path),
        "split": split,
        "classes": list(data.classes),
        "frame_size": list(data.frame_size),
        "n_frames": data.frames(split),
        "n_patients": data.patients(split),
        "n_gaze_frames": data.gaze_frames(split),
        "checksum": data.checksum,
        "simulated": bool(source.get("simulated", False)),
        "source": source,
    }


def _artefact_row(artefact: Artefact, table: pd.DataFrame, data: Dataset, gaze: str, timing: dict, draws: int) -> dict:
    metadata = artefact.metadata
    metrics = _metrics(table, data, draws)
    params, macs = _complexity(artefact)
    return {
        "path": str(artefact.path),
        "kind": artefact.kind,
        **metrics,
        "params": params,
        "macs": macs,
        "bytes": bytes_on_disk(artefact.path),
        "latency_ms": timing,
        "netscore": _netscore(metrics["accuracy"], params, macs),
        "name": metadata.name,
        "stage": metadata.stage,
        "output": metadata.output,
        "gaze": gaze if "gaze" in metadata.inputs else None,
        "version": metadata.version,
        "trained_on_this_dataset": metadata.dataset_checksum == data.checksum,
    }


def _ensemble_row(members: Sequence[dict], table: pd.DataFrame, data: Dataset, draws: int) -> dict:
    metrics, cost = _metrics(table, data, draws), ensemble_cost(members)
    return {
        "path": ENSEMBLE,
        "kind": ENSEMBLE,
        **metrics,
        **cost,
        "netscore": _netscore(metrics["accuracy"], cost["params"], cost["macs"]),
        "name": ENSEMBLE,
        "stage": ENSEMBLE,
        "output": "probabilities",
        "gaze": next((row["gaze"] for row in members if row["gaze"]), None),
        "version": members[0]["version"],
        "trained_on_this_dataset": all(row["trained_on_this_dataset"] for row in members),
        "members": [row["path"] for row in members],
    }


def _metrics(table: pd.DataFrame, data: Dataset, draws: int) -> dict:
    metrics = classification_metrics(table, data.classes, draws=draws)
    for name in ("accuracy_ci95", "macro_f1_ci95"):
        metrics[name] = None if math.isnan(metrics[name][0]) else metrics[name]
    return metrics


def _netscore(accuracy: float, params: int | None, macs: int | None) -> float | None:
    return netscore(100 * accuracy, params / 1e6, macs / 1e9) if params and macs and accuracy > 0 else None


def _complexity(artefact: Artefact) -> tuple[int | None, int | None]:
    """From the metadata; what it doesn't hold is counted where there is a Keras model to count."""
    params, macs = artefact.metadata.params, artefact.metadata.macs
    if artefact.model is not None:
        params = count_params(artefact.model) if params is None else params
        macs = count_macs(artefact.model) if macs is None else macs
    return params, macs


def short_name(path: str, all_paths: Sequence[str]) -> str:
    """As much of a path's end as tells it from the others: one part if that will do."""
    parts = Path(path).parts
    for length in range(1, len(parts)):
        end = parts[-length:]
        if sum(Path(other).parts[-length:] == end for other in all_paths) == 1:
            return "/".join(end)
    return path


def scaled(value: float | None, base: int, units: Sequence[str]) -> str:
    if value is None:
        return "—"
    power = min(int(math.log(max(value, 1), base) + 1e-9), len(units) - 1)
    return f"{value / base**power:.{0 if power == 0 else 2}f}{units[power]}"


def _without_nan(value):
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
