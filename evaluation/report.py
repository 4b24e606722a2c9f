"""The report on a set of artefacts, on one split of one data set."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from common.console import console
from common.errors import InputError
from common.files import write_text
from common.machine import machine
from common.shown import shown_path, shown_paths
from data.dataset import UNKNOWN_SCANNER, Dataset, diagnosed, open_dataset
from data.simulation import TRAINING, simulated
from evaluation.agreement import gaze_agreement, require_gaze
from evaluation.artefacts import Artefact, check_matches, load_artefact
from evaluation.classification import classification_metrics, labelled, paired_difference_ci
from evaluation.complexity import bytes_on_disk, count_macs, count_params, netscore
from evaluation.compression import compression_row, registered_params
from evaluation.config import EvaluateConfig
from evaluation.describing import simulated_training
from evaluation.ensemble import NAME as ENSEMBLE
from evaluation.ensemble import ensemble_cost, ensemble_table, require_members
from evaluation.latency import measure_latency
from evaluation.memory import measure_memory
from evaluation.ood import chunks, flagged_frames
from evaluation.predictions import predict_split
from evaluation.selective import selective_row
from evaluation.temporal import clip_metrics

# Raised whenever a change of the code changes what a report says: runs and studies then evaluate again.
EVALUATION_VERSION = 3


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

    report: dict[str, Any]
    tables: list[pd.DataFrame]
    artefacts: list[Artefact]
    data: Dataset
    split: str


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """The report alone; see `run_evaluation` for what is in it."""
    return run_evaluation(config).report


def run_evaluation(config: EvaluateConfig) -> Evaluation:
    """Evaluate artefacts on a split.

    Returns:
        An `Evaluation`; its report is {"dataset": {...}, "conventional": {"name", "params"},
        "measured_on" (see `common.machine`),
        "artefacts": [{"path" (see `common.shown`), "kind", "n_frames", "n_patients", "accuracy", "accuracy_ci95",
        "macro_f1", "per_class", "per_scanner", "confusion", "params", "macs", "bytes", "compression",
        "latency_ms", "memory_bytes", "netscore", ...}]}, and "saliency" where it was asked for. `compression`
        holds the ratios of `compression_row`. What can't be known is null: params and MACs
        that the metadata doesn't hold, an interval over fewer than two patients.

    Raises:
        InputError: whatever is wrong with an artefact, the data set or their match. All
            artefacts are loaded and checked before the first is run.
    """
    data = open_dataset(config.data, verify=config.verify or None)
    with diagnosed(data.path):
        return _evaluate(config, data)


def _evaluate(config: EvaluateConfig, data: Dataset) -> Evaluation:
    split = config.split
    data.frames(split)
    if config.saliency:
        require_gaze(data, split)
    if config.ensemble:
        require_members(config.artefacts)
    artefacts = [load_artefact(path, trust=config.trust) for path in config.artefacts]
    for artefact in artefacts:
        check_matches(artefact.metadata, data, artefact.path)
    tables = [predict_split(artefact, data, split, config.gaze, config.batch_size) for artefact in artefacts]
    if not len(labelled(tables[0])):
        raise InputError(f"{data.path}: no frame of split {split!r} has a label: evaluate on a labelled split")
    rows = _rows(config, data, artefacts, tables)
    report = {
        "dataset": _dataset_row(data, split, artefacts),
        "conventional": _conventional(config, data),
        "measured_on": machine(),
        "artefacts": rows,
    }
    if config.saliency:
        report["saliency"] = gaze_agreement(
            artefacts, data, split, gaze=config.gaze, fixations=config.fixations, batch_size=config.batch_size
        )
    return Evaluation(_without_nan(report), tables, artefacts, data, split)


def write_report(path: str | os.PathLike, report: dict[str, Any]) -> None:
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


def _rows(
    config: EvaluateConfig, data: Dataset, artefacts: list[Artefact], tables: list[pd.DataFrame]
) -> list[dict[str, Any]]:
    """One row per artefact; an ensemble adds its row, and its table to `tables`."""
    costs: list[dict[str, Any]] = [{"latency_ms": {"median": None, "p95": None}, "memory_bytes": None}] * len(artefacts)
    if config.latency:
        with console.status("measuring latency and memory"):
            measured = zip(measure_latency(config.artefacts, trust=config.trust), measure_memory(config.artefacts))
            costs = [{"latency_ms": timing, "memory_bytes": memory} for timing, memory in measured]
    conventional = _conventional(config, data)["params"]
    rows = [
        {"path": name, **_artefact_row(artefact, table, data, config, cost, conventional, flags)}
        for name, artefact, table, cost, flags in zip(
            shown_paths(config.artefacts), artefacts, tables, costs, _flagged(artefacts, data, config.split)
        )
    ]
    if config.ensemble:
        tables.append(ensemble_table(tables))
        rows.append(_ensemble_row(rows, tables[-1], data, config.draws, conventional))
    for row, table in zip(rows[1:], tables[1:]):
        difference = paired_difference_ci(table, tables[0], data.classes, draws=config.draws)
        row["accuracy_minus_first"] = {**difference, "first": rows[0]["path"]}
    return rows


def _conventional(config: EvaluateConfig, data: Dataset) -> dict[str, Any]:
    try:
        params = registered_params(config.conventional, data.frame_size, len(data.classes))
    except InputError:
        params = None  # its poolings leave nothing of frames this small, so there is no such model to compare with
    return {"name": config.conventional, "params": params}


def _dataset_row(data: Dataset, split: str, artefacts: Sequence[Artefact]) -> dict[str, Any]:
    own = (simulated_training(artefact.metadata, data) for artefact in artefacts)
    return {
        "path": shown_path(data.path),
        "split": split,
        "classes": list(data.classes),
        "frame_size": list(data.frame_size),
        "fit": data.fit,
        "fan": data.fan,
        "n_frames": data.frames(split),
        "n_patients": data.patients(split),
        "n_gaze_frames": data.gaze_frames(split),
        "checksum": data.checksum,
        "simulated": simulated(data.info, split),
        TRAINING: next((said for said in own if said), False),
        "source": data.info["source"],
    }


def _artefact_row(
    artefact: Artefact,
    table: pd.DataFrame,
    data: Dataset,
    config: EvaluateConfig,
    cost: dict[str, Any],
    conventional: int | None,
    flagged: np.ndarray | None,
) -> dict[str, Any]:
    metadata = artefact.metadata
    metrics = _metrics(table, data, config.draws)
    params, macs = _complexity(artefact)
    size = bytes_on_disk(artefact.path)
    return {
        "kind": artefact.kind,
        **metrics,
        "selective": selective_row(table, data.classes, metadata.decision),
        "flagged": None if flagged is None else float(flagged.mean()),
        "clips": clip_metrics(table, data.classes, metadata.decision.causal if metadata.decision else None, flagged),
        "per_scanner": _per_scanner(table, data, config.draws),
        "params": params,
        "macs": macs,
        "bytes": size,
        "compression": compression_row(size, metadata.teacher, conventional),
        **cost,
        "netscore": _netscore(metrics["accuracy"], params, macs),
        "name": metadata.name,
        "stage": metadata.stage,
        "output": metadata.output,
        "gaze": config.gaze if "gaze" in metadata.inputs else None,
        "sigma": metadata.sigma,
        "version": metadata.version,
        "trained_on_this_dataset": metadata.dataset_checksum == data.checksum,
    }


def _flagged(artefacts: list[Artefact], data: Dataset, split: str) -> list[np.ndarray | None]:
    """Which frames of the split each artefact's rule calls unlike its training frames; a run shares one rule."""
    rules = [artefact.metadata.ood for artefact in artefacts]
    found = {
        rule: flagged_frames(rule, (frames for _, frames in chunks(data, split)))
        for rule in {*rules}
        if rule is not None
    }
    return [None if rule is None else found[rule] for rule in rules]


def _ensemble_row(
    members: Sequence[dict[str, Any]], table: pd.DataFrame, data: Dataset, draws: int, conventional: int | None
) -> dict[str, Any]:
    metrics, cost = _metrics(table, data, draws), ensemble_cost(members)
    return {
        "path": ENSEMBLE,
        "kind": ENSEMBLE,
        **metrics,
        "per_scanner": _per_scanner(table, data, draws),
        **cost,
        "compression": compression_row(cost["bytes"], None, conventional),
        "netscore": _netscore(metrics["accuracy"], cost["params"], cost["macs"]),
        "name": ENSEMBLE,
        "stage": ENSEMBLE,
        "output": "probabilities",
        "gaze": next((row["gaze"] for row in members if row["gaze"]), None),
        "version": members[0]["version"],
        "trained_on_this_dataset": all(row["trained_on_this_dataset"] for row in members),
        "members": [row["path"] for row in members],
    }


def _metrics(table: pd.DataFrame, data: Dataset, draws: int) -> dict[str, Any]:
    metrics = classification_metrics(table, data.classes, draws=draws)
    for part in (metrics, *metrics["per_class"].values()):
        for name in part:
            if name.endswith("_ci95") and math.isnan(part[name][0]):
                part[name] = None
    return metrics


def _per_scanner(table: pd.DataFrame, data: Dataset, draws: int) -> dict[str, Any]:
    """The same metrics for the frames of each scanner; empty where no frame's scanner is known."""
    known = labelled(table)
    if (known["scanner"] == UNKNOWN_SCANNER).all():
        return {}
    return {str(name): _metrics(part, data, draws) for name, part in known.groupby("scanner", sort=True)}


def _netscore(accuracy: float, params: int | None, macs: int | None) -> float | None:
    return netscore(100 * accuracy, params / 1e6, macs / 1e9) if params and macs and accuracy > 0 else None


def _complexity(artefact: Artefact) -> tuple[int | None, int | None]:
    """From the metadata; what it doesn't hold is counted where there is a Keras model to count."""
    params, macs = artefact.metadata.params, artefact.metadata.macs
    if artefact.model is not None:
        params = count_params(artefact.model) if params is None else params
        macs = count_macs(artefact.model) if macs is None else macs
    return params, macs


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
