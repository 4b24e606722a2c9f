"""What a prediction on files leaves: the table, the summary, and a few lines on the terminal."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from common.console import console
from common.shown import shown_path, shown_paths
from deployment.config import PredictConfig
from deployment.inputs import Clip
from deployment.prediction import Prediction, rule_of
from deployment.recordings import recordings_summary
from deployment.view import FoundView
from evaluation.artefacts import Artefact

SUMMARY, TABLE = "summary.json", "predictions.csv"
_SHOWN_INTERVALS = 20


@dataclasses.dataclass(frozen=True)
class Answered:
    """An input with what came out of it.

    Attributes:
        clip: the input. found: what of it was shown. prediction: the answers.
        files: {what: path relative to the output folder}.
        name: of the input, as it is stored (`common.shown`).
    """

    clip: Clip
    found: FoundView
    prediction: Prediction
    files: dict[str, Any]
    name: str = ""


def named(answered: list[Answered]) -> list[Answered]:
    """With names that hold no folder of a machine."""
    names = shown_paths([each.clip.video.path for each in answered])
    return [dataclasses.replace(each, name=name) for each, name in zip(answered, names)]


def table_of(answered: list[Answered]) -> pd.DataFrame:
    """`predictions.csv`: the tables of all inputs, below each other."""
    tables = [each.prediction.table.assign(input=each.name, recording_id=each.clip.recording_id) for each in answered]
    joined = pd.concat(tables, ignore_index=True)
    joined["rejected"] = joined["rejected"].astype(int)
    first = ["input", "recording_id"]
    return joined[[*first, *joined.columns.drop(first)]]


def summary_of(artefact: Artefact, config: PredictConfig, answered: list[Answered]) -> dict[str, Any]:
    """`summary.json`: artefact, settings, a row for each input, and the evaluation of labelled recordings."""
    metadata = artefact.metadata
    rule = rule_of(artefact, "causal", config.threshold, config.smoothing)
    return {
        "artefact": {
            "path": shown_path(artefact.path),
            "sha256": metadata.sha256,
            "name": metadata.name,
            "stage": metadata.stage,
            "classes": list(metadata.classes),
            "frame_size": list(metadata.frame_size),
            "fit": metadata.fit,
            "fan": metadata.fan,
            "version": metadata.version,
            "decision": None if metadata.decision is None else dataclasses.asdict(metadata.decision),
        },
        "settings": {
            "crop": config.crop,
            "pixel_aspect": config.pixel_aspect,
            "fps": config.fps,
            "check": bool(config.check and metadata.ood is not None),
        },
        "inputs": [_input_summary(each) for each in answered],
        "recordings": recordings_summary([(each.clip, each.prediction) for each in answered], rule),
    }


def _input_summary(each: Answered) -> dict[str, Any]:
    video, prediction, found = each.clip.video, each.prediction, each.found
    table = prediction.table
    kept = table[~table["rejected"]]
    best = prediction.best_frames()
    for name, file in each.files.get("best", {}).items():
        best[name]["file"] = file
    return {
        "input": each.name,
        "recording_id": each.clip.recording_id,
        "sha256": each.clip.sha256(),
        "frames": len(video),
        "duration_s": round(video.duration_s, 6),
        "size_px": list(video.size),
        "crop": {
            "box": list(found.view.crop or (0, 0, *video.size)),
            "how": found.how,
            "confidence": None if found.confidence is None else round(found.confidence, 4),
        },
        "fan": found.fan,
        "rule": dataclasses.asdict(prediction.rule),
        "kept": {name: int((kept["smoothed_class"] == name).sum()) for name in prediction.classes},
        "rejected": int(table["rejected"].sum()),
        "flagged": {str(name): int(n) for name, n in table["flag"][table["flag"] != ""].value_counts().items()},
        "intervals": prediction.intervals(),
        "best_frames": best,
        **{key: value for key, value in each.files.items() if key != "best"},
    }


def print_answers(answered: list[Answered], out: Path) -> None:
    """What was answered, and which files of the folder `out` were written."""
    for each in answered:
        prediction, found = each.prediction, each.found
        table = prediction.table
        x, y, width, height = found.view.crop or (0, 0, *each.clip.video.size)
        sure = "" if found.confidence is None else f" (confidence {found.confidence:.2f})"
        lines = [f"{each.clip.name}: {len(table)} frames, crop {x},{y},{width},{height} {found.how}{sure}"]
        rejected, flagged = int(table["rejected"].sum()), int((table["flag"] != "").sum())
        lines.append(f"  rejected {rejected} of {len(table)}, {flagged} of them unlike the training frames")
        intervals = prediction.intervals()
        for row in intervals[:_SHOWN_INTERVALS]:
            lines.append(
                f"  {row['start_s']:8.2f} – {row['end_s']:.2f} s  {row['class']}, {row['frames']} frames, "
                f"mean confidence {row['confidence']:.2f}"
            )
        if len(intervals) > _SHOWN_INTERVALS:
            lines.append(f"  {len(intervals) - _SHOWN_INTERVALS} more intervals: {SUMMARY}")
        console.print("\n".join(lines), markup=False, highlight=False)
    files = [name for each in answered for name in _names(each.files)]
    for name in [TABLE, SUMMARY, *files]:
        console.print(f"wrote {out / name}", markup=False, highlight=False)


def print_recordings(worth: dict[str, Any]) -> None:
    """`recordings_summary` in two lines."""
    lines = [f"{worth['frames']} labelled frames, accuracy {worth['accuracy']:.3f} without a filter"]
    clips = worth["clips"]
    if clips is not None:
        first, decision = clips["time_to_first_correct_s"], clips["frames_to_decision"]
        lines.append(
            f"{clips['n_clips']} clips, accuracy {clips['accuracy']:.3f}; first correct answer after "
            f"{_number(first['median'])} s (median; never in {first['never']}), first decision at frame "
            f"{_number(decision['median'])} (never in {decision['never']})"
        )
    console.print("\n".join(lines), markup=False, highlight=False)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:g}"


def _names(files: dict[str, Any]) -> list[str]:
    return [name for value in files.values() for name in (value.values() if isinstance(value, dict) else [value])]
