"""The limits of an evaluation in sentences, each derived from its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.dataset import UNKNOWN_SCANNER
from data.simulation import TRAINING, adjective, training_note
from evaluation.artefacts import Metadata

_FEW_PATIENTS = 30


def limits(row: Mapping[str, Any], dataset: Mapping[str, Any], metadata: Metadata) -> list[str]:
    """Sentences about one artefact.

    Args:
        row: of the report (`evaluation.report.run_evaluation`).
        dataset: the report's part about the data.
        metadata: of the artefact.
    """
    lines = ["This is no medical device, and no clinical claim is made."]
    frames = f"{row['n_frames']:,} frames of {row['n_patients']:,} patients"
    name = dataset["source"].get("name") or "one data set"
    if dataset["simulated"]:
        kind = adjective(dataset["simulated"])
        lines.append(f"It was measured on {kind}frames: its figures say nothing about patients.")
    else:
        lines.append(
            f"It was measured on {frames} of {name} alone: other hospitals, scanners, settings and populations were "
            "not measured."
        )
    if row["n_patients"] < _FEW_PATIENTS:
        lines.append(f"{row['n_patients']} patients are few: the intervals are wide, and rather too narrow.")
    if note := _training(row, dataset, metadata):
        lines.append(f"{note.capitalize()}.")
    if not row["trained_on_this_dataset"]:
        lines.append("It was measured on another data set than the one that it was trained on.")
    lines += [_weakest(row["per_class"]), _scanners(row["per_scanner"])]
    if getattr(metadata, "decision", None) is None:
        lines.append("No threshold was fitted: it answers every frame, whatever it shows.")
    if getattr(metadata, "ood", None) is None:
        lines.append("Nothing tells frames that are unlike the training frames: they are answered like the others.")
    lines.append("It is one training with one seed; with another seed or another number of cores its figures move.")
    lines.append("Frames that are cropped or resized in another way than those of training get other answers.")
    return lines


def _training(row: Mapping[str, Any], dataset: Mapping[str, Any], metadata: Metadata) -> str:
    """Whether it learned from simulated frames, by its own metadata, or by the data set if it is that one's."""
    own = getattr(metadata, "extra", {}).get(TRAINING)
    if own is None and row["trained_on_this_dataset"]:
        own = dataset.get(TRAINING)
    return training_note({**dataset, TRAINING: own})


def _weakest(per_class: Mapping[str, Mapping[str, Any]]) -> str:
    there = {name: facts for name, facts in per_class.items() if facts["support"]}
    name, facts = min(there.items(), key=lambda item: item[1]["recall"])
    interval = facts["recall_ci95"]
    said = "" if interval is None else f" (95 % interval {100 * interval[0]:.0f} to {100 * interval[1]:.0f})"
    return f"Its weakest class is {name}: it finds {100 * facts['recall']:.0f} % of its frames{said}."


def _scanners(per_scanner: Mapping[str, Mapping[str, Any]]) -> str:
    known = {name: facts for name, facts in per_scanner.items() if name != UNKNOWN_SCANNER}
    if not known:
        return "The data do not say which scanner a frame is from, so nothing is known about differences between them."
    name, facts = min(known.items(), key=lambda item: item[1]["accuracy"])
    scanners = "1 scanner" if len(known) == 1 else f"{len(known)} scanners"
    return (
        f"Its frames are of {scanners}; the accuracy is lowest on {name}: {100 * facts['accuracy']:.1f} % of "
        f"{facts['n_frames']:,} frames."
    )
