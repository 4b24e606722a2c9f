"""Labelled recordings of a manifest: clips to predict on, and how good the answers are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.sources.labels import Interval, check_within, frame_labels, one_class_each, read_intervals
from data.sources.manifest import Recording, check_box, read_manifest
from data.video.clip import Video
from data.video.read import open_video
from deployment.inputs import Clip
from deployment.prediction import Prediction, Rule
from evaluation.artefacts import OperatingPoint
from evaluation.temporal import clip_metrics

UNLABELLED = -1
Box = tuple[int, int, int, int]


def open_recordings(
    manifest: Path, classes: Sequence[str], fps: float | None = None, crop: Box | None = None
) -> list[Clip]:
    """The recordings of a manifest, each with the class of its frames; nothing is decoded.

    Args:
        manifest: CSV, as for `prepare.py recordings`; gaze is not looked at.
        classes: of the artefact; labels that differ from them only in case or blanks are taken for them.
        fps: frames per s of those that tell none, in their column fps neither.
        crop: x, y, width, height of those without crop_px, pixels; None = the whole picture, as for `prepare.py`.

    Raises:
        InputError: whatever is wrong with the manifest, a video or a labels file; a label that is no class.
    """
    recordings = read_manifest(manifest, unlabelled=True)
    intervals = {r.recording_id: read_intervals(r.labels) if r.labels else [] for r in recordings}
    rows = [(r.row, r.label) for r in recordings if r.label is not None]
    rows += [(interval.row, interval.label) for each in intervals.values() for interval in each]
    class_of = one_class_each(rows, classes)
    number = {label: list(classes).index(name) for label, name in class_of.items()}
    return [_open(recording, intervals[recording.recording_id], number, fps, crop) for recording in recordings]


def recordings_summary(answered: Sequence[tuple[Clip, Prediction]], rule: Rule) -> dict[str, Any] | None:
    """How good the answers are, computed as on a stream.

    Args:
        answered: clips with their predictions. rule: of a stream.

    Returns:
        `frames`, labelled ones; `accuracy` of single frames without a filter; `clips`, see
        `evaluation.temporal.clip_metrics`. None where nothing is labelled.
    """
    tables = [_table(clip, prediction) for clip, prediction in answered if clip.labels is not None]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"label": []})
    known = table[table["label"] != UNLABELLED]
    if not len(known):
        return None
    classes = answered[0][1].classes
    names = np.array(classes, dtype=object)
    right = known["raw_class"].to_numpy() == names[known["label"].to_numpy(dtype=int)]
    point = OperatingPoint(rule.time_constant_s, rule.threshold, 0.0, 1.0, False)
    return {
        "frames": len(known),
        "accuracy": float(right.mean()),
        "clips": clip_metrics(table, classes, point, (table["flag"] != "").to_numpy()),
    }


def _open(
    recording: Recording, intervals: list[Interval], number: dict[str, int], fps: float | None, crop: Box | None
) -> Clip:
    video = open_video(recording.video, recording.fps, default_fps=fps)
    if recording.crop_px is not None:
        check_box(recording.row, "crop_px", recording.crop_px, video.size, f"video {recording.video}")
    check_within(intervals, video.duration_s, video.duration_s - float(video.times_s[-1]) + 1e-6, recording.video)
    name, box = recording.recording_id, recording.crop_px or crop or (0, 0, *video.size)
    return Clip(f"{recording.video} ({name})", video, name, name, box, _labels(recording, intervals, video, number))


def _labels(
    recording: Recording, intervals: list[Interval], video: Video, number: dict[str, int]
) -> tuple[int, ...] | None:
    if recording.label is None and recording.labels is None:
        return None
    found = frame_labels(recording, intervals, video.times_s)
    return tuple(UNLABELLED if label is None else number[label] for label in found)


def _table(clip: Clip, prediction: Prediction) -> pd.DataFrame:
    return prediction.table.assign(recording_id=clip.recording_id, patient_id=clip.recording_id, label=clip.labels)
