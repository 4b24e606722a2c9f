"""Fixations of a split: where the eye rested, as saliency metrics understand "fixated".

Raw gaze samples hold saccades too, and one long look holds many of them. I-DT (Salvucci and
Goldberg, "Identifying fixations and saccades in eye-tracking protocols", ETRA 2000) finds the
stretches of at least 100 ms within 1° of visual angle. A data set does not know how far the
sonographer sat from the screen; the gaze maps' convention is taken here too, that their
default sigma, 0.03 of the frame's width, is 1°.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data.dataset import Dataset
from data.reading import read_split
from data.saliency import DEFAULT_SIGMA
from evaluation.config import FIXATION_RULES

DEGREE_OF_WIDTH = DEFAULT_SIGMA
DISPERSION_DEG = 1.0
MIN_DURATION_S = 0.1


@dataclasses.dataclass(frozen=True)
class Fixation:
    """One fixation: samples `start` to `stop` (exclusive), their mean position."""

    start: int
    stop: int
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class FrameFixations:
    """Where each frame of a split was fixated.

    Attributes:
        rule: "idt" or "samples", the one that was applied.
        reason: why it is not I-DT, or empty.
        points: per frame, float64 [n, 2], (x, y) normalised to the frame.
    """

    rule: str
    reason: str
    points: tuple[np.ndarray, ...]

    def describe(self) -> dict[str, object]:
        """What a report says about them, JSON-ready."""
        found = {"rule": self.rule, "reason": self.reason, "n_frames": sum(len(p) > 0 for p in self.points)}
        if self.rule == "idt":
            found |= {
                "dispersion_deg": DISPERSION_DEG,
                "degree_of_frame_width": DEGREE_OF_WIDTH,
                "min_duration_s": MIN_DURATION_S,
            }
        return found


def detect_fixations(
    time_s: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    dispersion: float,
    min_duration_s: float = MIN_DURATION_S,
) -> list[Fixation]:
    """Fixations by dispersion (I-DT).

    A window of at least `min_duration_s` whose (max x − min x) + (max y − min y) is at most
    `dispersion` is a fixation, and grows for as long as that holds; a window that spreads
    wider moves on by one sample. A sample stands for one sampling interval, so n samples at
    interval d last n·d.

    Args:
        time_s: [n], ascending, of samples without gaps, s.
        x, y: [n], in one unit.
        dispersion: in that unit.
        min_duration_s: s.
    """
    time_s, x, y = (np.asarray(values, dtype=np.float64) for values in (time_s, x, y))
    if len(time_s) < 2:
        return []
    interval = float(np.median(np.diff(time_s)))
    fixations, start = [], 0
    while start < len(time_s):
        stop = int(np.searchsorted(time_s, time_s[start] + min_duration_s - interval - 1e-9)) + 1
        if stop > len(time_s):
            break
        low_x, high_x = x[start:stop].min(), x[start:stop].max()
        low_y, high_y = y[start:stop].min(), y[start:stop].max()
        if high_x - low_x + high_y - low_y > dispersion:
            start += 1
            continue
        while stop < len(time_s):
            low_x, high_x = min(low_x, x[stop]), max(high_x, x[stop])
            low_y, high_y = min(low_y, y[stop]), max(high_y, y[stop])
            if high_x - low_x + high_y - low_y > dispersion:
                break
            stop += 1
        fixations.append(Fixation(start, stop, float(x[start:stop].mean()), float(y[start:stop].mean())))
        start = stop
    return fixations


def frame_fixations(data: Dataset, split: str, rule: str = "idt") -> FrameFixations:
    """Fixations of every frame of a split, in stored order.

    A frame holds the fixations that one of its samples belongs to. A data set stores the
    samples of each frame without their times: they are taken to be spread evenly over the
    time that the frame was shown. Frames that were left out of the data set, or that have no
    gaze, end a stretch of samples.

    Args:
        data, split: the frames.
        rule: "idt", or "samples": every sample counts. I-DT finds nothing where frames were
            shown for less than 100 ms and their neighbours were left out, or in single
            images; then the samples count, and the answer says so.

    Raises:
        ValueError: another rule.
    """
    if rule not in FIXATION_RULES:
        raise ValueError(f"rule must be one of {', '.join(FIXATION_RULES)}, not {rule!r}")
    keys = ("recording_id", "frame_index", "time_s", "gaze_x", "gaze_y")
    rows = [[example[key] for key in keys] for example in read_split(data, split).as_numpy_iterator()]
    samples = tuple(np.stack([row[3], row[4]], axis=1).astype(np.float64) for row in rows)
    if rule == "samples":
        return FrameFixations("samples", "", samples)
    points: list[list[tuple[float, float]]] = [[] for _ in rows]
    aspect = data.frame_size[0] / data.frame_size[1]
    for stretch in _stretches(rows):
        frame = np.concatenate([np.full(len(samples[k]), k) for k, _ in stretch])
        time_s = np.concatenate([_spread(rows[k][2], shown, len(samples[k])) for k, shown in stretch])
        x, y = np.concatenate([samples[k] for k, _ in stretch]).T
        for found in detect_fixations(time_s, x, y * aspect, dispersion=DISPERSION_DEG * DEGREE_OF_WIDTH):
            for k in np.unique(frame[found.start : found.stop]):
                points[k].append((found.x, found.y / aspect))
    if not any(points):
        reason = f"I-DT finds no fixation of {1000 * MIN_DURATION_S:.0f} ms on these frames"
        return FrameFixations("samples", reason, samples)
    return FrameFixations("idt", "", tuple(np.reshape(np.array(p, np.float64), (-1, 2)) for p in points))


def _spread(start_s: float, shown_s: float, samples: int) -> np.ndarray:
    """Times of a frame's samples, evenly over the time that it was shown."""
    return start_s + shown_s * np.arange(samples) / samples


def _stretches(rows: list[list]) -> list[list[tuple[int, float]]]:
    """Runs of frames with gaze that follow each other in one recording: [(row, seconds shown)]."""
    by_recording: dict[bytes, list[int]] = {}
    for k, row in enumerate(rows):
        by_recording.setdefault(row[0], []).append(k)
    stretches: list[list[tuple[int, float]]] = []
    for numbers in by_recording.values():
        numbers.sort(key=lambda k: rows[k][1])
        index = np.array([rows[k][1] for k in numbers], np.float64)
        time_s = np.array([rows[k][2] for k in numbers], np.float64)
        steps = np.diff(index) > 0
        if not steps.any():
            continue
        shown = float(np.median(np.diff(time_s)[steps] / np.diff(index)[steps]))
        before = None
        for k in numbers:
            if not len(rows[k][3]):
                continue
            if before is None or rows[k][1] != rows[before][1] + 1:
                stretches.append([])
            stretches[-1].append((k, shown))
            before = k
    return stretches
