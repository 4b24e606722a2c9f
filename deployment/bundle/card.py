"""The model card: what was measured on a bundle's model. Licence and contact alone are given by hand."""

from __future__ import annotations

import dataclasses
import datetime
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from common.machine import describe, machine
from data.dataset import Dataset
from data.simulation import PARTLY, simulated
from data.splits import SPLITS
from deployment.bundle.about import NOT_STATED, preparation_text, software_version
from deployment.bundle.config import ExportConfig
from deployment.bundle.source import Source
from evaluation.limits import limits

FORMAT = "gaze-model-card-1"
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "tf2onnx", "onnxruntime", "tflite-micro", "numpy")
# Settings that name files: the card does not repeat the folders of the machine that trained.
_PATHS = ("data", "run", "teacher_path", "pretrained", "student_init", "teacher_data")
_SHOWN_METRICS = ("n_frames", "n_patients", "accuracy", "accuracy_ci95", "macro_f1", "macro_f1_ci95", "votes")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured on a bundle.

    Attributes:
        row: of the report (`evaluation.report`) for its 8-bit file. dataset: what the report says of the data.
        conventional: the report's conventional model, {"name", "params"}.
        parity: {engine or variant: `engines.parity`, or {"not_measured": reason}}.
        operators: builtin operators of the file.
        arena_bytes: smallest arena of TensorFlow Lite Micro, or None.
        files: {name: {"bytes", "sha256", "is"}}.
    """

    row: Mapping[str, Any]
    dataset: Mapping[str, Any]
    conventional: Mapping[str, Any]
    parity: Mapping[str, Mapping[str, Any]]
    operators: tuple[str, ...]
    arena_bytes: int | None
    files: Mapping[str, Mapping[str, Any]]


def model_card(config: ExportConfig, source: Source, about: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """`model_card.json`; `card_text.markdown` makes a page of it.

    Args:
        config: licence and contact. source: the run. about: what `about.describe` gives. measured: the figures.
    """
    row, metadata = measured.row, source.metadata
    card: dict[str, Any] = {
        "format": FORMAT,
        "name": about["name"],
        "version": about["version"],
        "licence": about["licence"],
        "contact": config.contact or NOT_STATED,
        "task": about["task"],
        "classes": about["classes"],
        "model": {
            "architecture": metadata.name,
            "parameters": row["params"],
            "multiply_accumulates": row["macs"],
            "teacher": row["compression"]["teacher"],
            "compression_to_teacher": row["compression"]["to_teacher"],
            "conventional": measured.conventional["name"],
            "compression_to_conventional": row["compression"]["to_conventional"],
        },
        "input": {"shape": about["input"]["shape"], "preparation": preparation_text(about["preparation"])},
        "data": _data(source),
        "accuracy": {
            "split": source.split,
            **{name: row[name] for name in _SHOWN_METRICS},
            "per_class": row["per_class"],
            "per_scanner": row["per_scanner"],
            "per_clip": row.get("clips"),
            "confusion": row["confusion"],
        },
        "calibration": {"expected_calibration_error": row["ece"], "selective": row.get("selective")},
        "decision": about["decision"],
        "unlike_frames": None
        if about["ood"] is None
        else {"flagged": row.get("flagged"), "rule": about["ood"]["rule"]},
        "size_bytes": {name: facts["bytes"] for name, facts in measured.files.items()},
        "latency_ms": {**row["latency_ms"], "engine": "LiteRT, one frame, one thread"},
        "memory_bytes": {"litert_peak": row["memory_bytes"], "micro_arena": measured.arena_bytes},
        "operators": list(measured.operators),
        "parity_with_litert": dict(measured.parity),
        "provenance": _provenance(source, measured),
    }
    return {**card, "intended_use": _intended_use(card), "limits": limits(row, measured.dataset, metadata)}


def _data(source: Source) -> dict[str, Any]:
    data, found = source.data, source.data.info["source"]
    kind = simulated(data.info)
    name = found.get("name") or ("simulated recordings (phantom)" if kind is True else f"{found['kind']}, not named")
    return {
        "name": f"{name}, {kind} simulated" if kind == PARTLY else name,
        "simulated": kind,
        **{key: found[key] for key in ["simulated_splits"] if key in found},
        "licence": found.get("licence") or ("simulated: no data of people" if kind is True else NOT_STATED),
        "citation": found.get("citation"),
        "checksum": data.checksum,
        "trained_on_this_data": source.metadata.dataset_checksum == data.checksum,
        "frame_size": list(data.frame_size),
        "split_by": "patient",
        "split_seed": data.info["split_seed"],
        "splits": {split: _split(data, split) for split in SPLITS if data.info["splits"][split]["frames"]},
    }


def _split(data: Dataset, split: str) -> dict[str, Any]:
    names = ("frames", "recordings", "patients", "frames_per_class", "gaze_frames", "frames_per_scanner")
    return {name: data.info["splits"][split][name] for name in names}


def _provenance(source: Source, measured: Measured) -> dict[str, Any]:
    settings, metadata = source.settings, source.metadata
    return {
        "trained_with": metadata.version,
        "commit_of_training": metadata.extra.get("commit"),
        "exported_with": software_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "configuration": _without_folders(settings),
        "seeds": {
            "training": settings.get("seed"),
            "split": source.data.info["split_seed"],
            "simulation": _simulation_seed(source.data.info["source"]),
        },
        "dataset_checksum_of_training": metadata.dataset_checksum,
        "sha256_in_the_run_folder": metadata.sha256,
        "sha256": {name: facts["sha256"] for name, facts in measured.files.items()},
        "packages": {"python": platform.python_version(), **_versions()},
        "measured_on": describe(machine()),
    }


def _simulation_seed(found: Mapping[str, Any]) -> Any:
    """Of simulated recordings; of merged data sets that of the added frames."""
    return found.get("seed", found.get("extra", {}).get("source", {}).get("seed"))


def _without_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, also those of each stage, with the last part alone of every path."""
    return {
        name: _without_folders(value) if isinstance(value, Mapping) else _name(value) if name in _PATHS else value
        for name, value in settings.items()
    }


def _name(value: Any) -> Any:
    if isinstance(value, list):
        return [_name(item) for item in value]
    return Path(value).name if isinstance(value, str) else value


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _intended_use(card: Mapping[str, Any]) -> list[str]:
    height, width = card["input"]["shape"][1:3]
    return [
        f"Research. {card['task']}",
        f"Frames of {height}×{width}, prepared as described below; each frame is answered on its own.",
        "For engineers who try compact classifiers on portable devices, and for those who compare with it.",
    ]
