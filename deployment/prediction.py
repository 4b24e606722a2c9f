"""From pictures to answers: the function that files, streams and notebooks share."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from common.console import notice
from common.typed import one_of
from data.video.framing import prepare_image
from deployment.config import check_rule
from evaluation.artefacts import Artefact, OperatingPoint, blank_features, load_artefact
from evaluation.decision import FILTERS
from evaluation.ood import flags

KINDS = ("still", "causal", "two_sided")
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class View:
    """What of each picture a model is shown.

    Attributes:
        crop: x, y, width, height of the ultrasound image in the picture, pixels; None = all of it.
        mask: bool [h, w], what is kept of the picture, or None.
        marks: bool [h, w], what is painted over, or None.
        pixel_aspect: width over height of one pixel of the picture.
    """

    crop: tuple[int, int, int, int] | None = None
    mask: np.ndarray | None = dataclasses.field(default=None, repr=False)
    pixel_aspect: float = 1.0
    marks: np.ndarray | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How probabilities become answers.

    Attributes:
        kind: "still" (no filter), "causal" or "two_sided".
        time_constant_s: of the filter, s.
        threshold: a frame whose greatest filtered probability is lower is rejected; 0 rejects none.
        fitted: whether all of it comes from the artefact's metadata.

    Raises:
        ValueError: another kind, a negative time constant, or a threshold outside 0 to 1.
    """

    kind: str
    time_constant_s: float
    threshold: float
    fitted: bool

    def __post_init__(self) -> None:
        if self.kind not in ("still", *FILTERS):
            raise ValueError(f"kind is {self.kind!r}, one of still, {', '.join(FILTERS)} was expected")
        if not (math.isfinite(self.time_constant_s) and self.time_constant_s >= 0):
            raise ValueError(f"time_constant_s is {self.time_constant_s}, 0 or more was expected")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}, from 0 to 1 was expected")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Answers to the frames of one clip.

    Attributes:
        table: one row per frame: `frame`, `time_s`, `p_<class>` of each class (unfiltered), `raw_class`,
            `smoothed_class`, `confidence` (the greatest filtered probability), `rejected`, `flag`
            ("", "unlike", "upside_down"). A flagged frame is rejected, and left out of the filter.
        classes: in the order of the columns.
        rule: that was applied.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    rule: Rule

    def intervals(self) -> list[dict[str, Any]]:
        """Spans of frames that follow each other with one class, rejected frames between none.

        Returns:
            [{"class", "start_s", "end_s", "first_frame", "last_frame", "frames", "confidence" (mean)}]; `end_s` is
            the time of the last frame.
        """
        held = self.table["smoothed_class"].where(~self.table["rejected"], "")
        rows = []
        for _, part in self.table.groupby((held != held.shift()).cumsum(), sort=True):
            if part["rejected"].iloc[0]:
                continue
            rows.append(
                {
                    "class": str(part["smoothed_class"].iloc[0]),
                    "start_s": float(part["time_s"].iloc[0]),
                    "end_s": float(part["time_s"].iloc[-1]),
                    "first_frame": int(part["frame"].iloc[0]),
                    "last_frame": int(part["frame"].iloc[-1]),
                    "frames": len(part),
                    "confidence": round(float(part["confidence"].mean()), 4),
                }
            )
        return rows

    def best_frames(self) -> dict[str, dict[str, Any]]:
        """{class: {"frame", "time_s", "probability"}} of each class that any kept frame has.

        The best frame is the one with the greatest probability of its own, unfiltered, among the
        frames that are kept and whose filtered and unfiltered class it is; the earlier of two.
        """
        kept = self.table[~self.table["rejected"] & (self.table["raw_class"] == self.table["smoothed_class"])]
        found = {}
        for name in self.classes:
            part = kept[kept["raw_class"] == name]
            if len(part):
                row = part.iloc[int(part[f"p_{name}"].to_numpy().argmax())]
                found[name] = {
                    "frame": int(row["frame"]),
                    "time_s": float(row["time_s"]),
                    "probability": round(float(row[f"p_{name}"]), 4),
                }
        return found


def predict(
    artefact: str | os.PathLike | Artefact,
    frames: Iterable[np.ndarray],
    *,
    times_s: np.ndarray | None = None,
    view: View | None = None,
    rule: Rule | None = None,
    check: bool = True,
) -> Prediction:
    """Classify pictures.

    >>> found = predict("runs/demo/int8/student_int8.tflite", frames, times_s=times_s)

    Args:
        artefact: a classifier, or its path.
        frames: uint8 [n, h, w], or any iterable of uint8 [h, w], grey, of any size. Each is cropped
            and resized as the artefact's metadata say. What lies outside a fan is blanked by `view` alone: a model
            that was trained on blanked frames gives a notice without a mask, and `deployment.view.view_of` finds one.
        times_s: float [n], when each was shown, s, ascending. None: single images without an order.
        view: crop and shape of the pixels; None = the whole picture, square pixels.
        rule: filter and threshold; None = those of the artefact's metadata, two-sided where there are times.
        check: flag frames that are unlike the training frames.

    Raises:
        InputError: an artefact that can't be loaded, or a crop that is not inside a picture.
        ValueError: pictures of another type, or times of another length, not finite or not ascending.
    """
    if not isinstance(artefact, Artefact):
        artefact = load_artefact(artefact)
    view = view or View()
    if artefact.metadata.fan == "blank" and view.mask is None:
        notice(f"{artefact.path}: was trained on frames whose outside of the fan is blanked, and view has no mask")
    if times_s is not None and not (np.isfinite(times_s).all() and (np.diff(times_s) >= 0).all()):
        raise ValueError("times_s is not ascending or not finite: give the frames in the order of their times")
    prepared = (prepare(artefact, picture, view) for picture in frames)
    probabilities, found_flags = classify(artefact, prepared, check=check)
    if times_s is not None and len(times_s) != len(probabilities):
        raise ValueError(f"times_s has {len(times_s)} entries, and there are {len(probabilities)} frames")
    if rule is None:
        rule = rule_of(artefact, "still" if times_s is None else "two_sided")
    return answer(artefact.metadata.classes, probabilities, found_flags, times_s, rule)


def prepare(artefact: Artefact, picture: np.ndarray, view: View) -> np.ndarray:
    """A picture uint8 [h, w] as the artefact's frame uint8 [H, W]."""
    metadata = artefact.metadata
    return prepare_image(
        picture, metadata.frame_size, metadata.fit, view.pixel_aspect, view.crop, view.mask, view.marks
    )


def classify(artefact: Artefact, frames: Iterable[np.ndarray], *, check: bool = True) -> tuple[np.ndarray, list[str]]:
    """Probabilities float64 [n, K] and flags of prepared frames uint8 [H, W], a few frames in memory at a time."""
    probabilities, found = [np.zeros((0, len(artefact.metadata.classes)))], []
    for batch in _batches(frames):
        probabilities.append(artefact.predict(features_of(artefact, batch)))
        found += flags(artefact.metadata.ood if check else None, batch)
    return np.concatenate(probabilities), found


def features_of(artefact: Artefact, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Features of prepared frames uint8 [n, H, W]; a model that takes gaze is given the uniform map, as in training."""
    features = {"frame": (frames.astype(np.float32) / 255)[..., None]}
    blank = blank_features(artefact.metadata)
    if "gaze" in blank:
        features["gaze"] = np.repeat(blank["gaze"], len(frames), axis=0)
    return features


def rule_of(
    artefact: Artefact, kind: str, threshold: float | None = None, time_constant_s: float | None = None
) -> Rule:
    """The rule of an artefact's metadata, or what is given in its place.

    Without a fitted decision nothing is filtered and nothing is rejected.

    Raises:
        InputError: an unknown kind, a threshold outside [0, 1], or a time constant that is negative or above an hour.
    """
    one_of("kind", kind, KINDS)
    check_rule(threshold, time_constant_s)
    decision = artefact.metadata.decision
    point = getattr(decision, kind) if decision is not None else OperatingPoint(0.0, 0.0, 0.0, 1.0, False)
    if kind == "still":
        time_constant_s = None
    return Rule(
        kind,
        point.time_constant_s if time_constant_s is None else time_constant_s,
        point.threshold if threshold is None else threshold,
        decision is not None and threshold is None and time_constant_s is None,
    )


def answer(
    classes: tuple[str, ...],
    probabilities: np.ndarray,
    found_flags: list[str],
    times_s: np.ndarray | None,
    rule: Rule,
) -> Prediction:
    """The answers to frames whose probabilities [n, K] are known."""
    count = len(probabilities)
    flag = np.array(found_flags, dtype=object)
    times = np.zeros(count) if times_s is None else np.asarray(times_s, dtype=np.float64)
    filtered = probabilities
    if rule.kind in FILTERS and times_s is not None:
        filtered = FILTERS[rule.kind](probabilities, times, rule.time_constant_s, (flag == "").astype(float))
    confidence = filtered.max(axis=1)
    names = np.array(classes, dtype=object)
    table = pd.DataFrame({"frame": np.arange(count), "time_s": times})
    table[[f"p_{name}" for name in classes]] = probabilities
    table["raw_class"] = names[probabilities.argmax(axis=1)]
    table["smoothed_class"] = names[filtered.argmax(axis=1)]
    table["confidence"] = confidence
    table["rejected"] = (confidence < rule.threshold) | (flag != "")
    table["flag"] = flag
    return Prediction(table, classes, rule)


def _batches(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    batch: list[np.ndarray] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == _BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


__all__ = ["Prediction", "Rule", "View", "answer", "classify", "features_of", "predict", "prepare", "rule_of"]
