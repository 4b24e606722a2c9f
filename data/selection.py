"""Which frames of a split are used, and whose gaze they get."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from common.errors import InputError
from common.typed import one_of
from data.dataset import UNLABELLED, Dataset
from data.modes import GAZE_MODES
from data.reading import Labels, read_columns, read_labels, read_split
from data.traced import as_written

UNLABELLED_MODES = ("all", "patients", "withheld", "none")


def selected_examples(
    data: Dataset,
    split: str,
    *,
    gaze: str = "real",
    unlabelled: str = "all",
    labelled: bool | None = None,
    seed: int = 0,
) -> Callable[..., tf.data.Dataset]:
    """The frames that are kept, with the gaze that they get.

    Args:
        data, split: where they come from.
        gaze, unlabelled, seed: see `data.pipeline.PipelineSettings`.
        labelled: of these, those that have a label alone (True), those that have none (False), or both (None).

    Returns:
        (order, span) → examples {"index" int64, its position in the split, "frame" uint8 [H, W, 1], "x", "y"
        float32 [n], "label" int32}. Without an order they come as stored; a seed, int64 [2], gives
        a random permutation of them all (`data.mixing`). Without a span they are those of the whole split; a span is
        the first position and the one after the last.

    Raises:
        InputError: an unknown mode, or gaze that can't be shuffled.
    """
    one_of("gaze", gaze, GAZE_MODES)
    points = _shuffled_points(data, split, seed) if gaze == "shuffled" else None
    kept = keeps(data, split, unlabelled, labelled)

    def prepare(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x, y = example["gaze_x"], example["gaze_y"]
        if points is not None:
            x, y = points(example["index"])
        elif gaze == "none":
            x = y = tf.zeros([0])
        elif gaze == "centre":
            x = y = tf.fill([tf.minimum(tf.size(x), 1)], 0.5)
        return {"index": example["index"], "frame": example["frame"], "x": x, "y": y, "label": example["label"]}

    @as_written
    def examples(order: tf.Tensor | None = None, span: tuple[int, int] | None = None) -> tf.data.Dataset:
        return read_split(data, split, order=order, span=span, kept=kept, each=prepare)

    return examples


def frames_taken(data: Dataset, split: str, unlabelled: str) -> int:
    """Number of frames of a split that are kept; see `PipelineSettings.unlabelled`.

    Raises:
        InputError: no such split, or no such choice.
    """
    one_of("unlabelled", unlabelled, UNLABELLED_MODES)
    if unlabelled == "all":
        return data.frames(split)
    more = {
        "patients": lambda: sum(_unlabelled_patients(data, split).values()),
        "withheld": lambda: data.withheld_frames(split),
        "none": lambda: 0,
    }
    return data.labelled_frames(split) + more[unlabelled]()


def gaze_frames_taken(data: Dataset, split: str, unlabelled: str) -> int:
    """Number of frames with gaze among those of a split that are kept; see `PipelineSettings.unlabelled`.

    Raises:
        InputError: no such split, or no such choice.
    """
    one_of("unlabelled", unlabelled, UNLABELLED_MODES)
    if unlabelled == "all" or not data.gaze_frames(split):
        return data.gaze_frames(split)
    rows = read_labels(data, split, ("gaze_x",))
    return sum(int(np.sum(keeps_rows(data, split, unlabelled, some) & (_lengths(some) > 0))) for some in rows)


def _lengths(rows: Labels) -> np.ndarray:
    """Number of gaze points of each row."""
    return np.array([len(points) for points in rows.columns["gaze_x"]], int)


def keeps(
    data: Dataset, split: str, unlabelled: str, labelled: bool | None = None
) -> Callable[[dict], tf.Tensor] | None:
    """example of `read_split` → whether it is kept, see `selected_examples`; None keeps all. No pixel is looked at."""
    if unlabelled == "all":
        return None if labelled is None else lambda example: (example["label"] != UNLABELLED) == labelled
    wanted = sorted(_unlabelled_patients(data, split)) if unlabelled == "patients" else []
    patients = tf.constant(wanted, tf.string, [len(wanted)])

    def kept(example: dict) -> tf.Tensor:
        has_label = example["label"] != UNLABELLED
        found = has_label | tf.reduce_any(example["patient_id"] == patients)
        if unlabelled == "withheld":
            found |= example["withheld"]
        return found if labelled is None else found & (has_label == labelled)

    return kept


def keeps_rows(data: Dataset, split: str, unlabelled: str, rows: Labels) -> np.ndarray:
    """Whether each row is kept, bool [rows]: what `keeps` says of them."""
    if unlabelled == "all":
        return np.ones(len(rows.labels), bool)
    found = rows.labels != UNLABELLED
    if unlabelled == "withheld":
        found |= rows.withheld
    if unlabelled == "patients":
        wanted = {patient.encode() for patient in _unlabelled_patients(data, split)}
        found |= np.fromiter((patient in wanted for patient in rows.patients), bool, len(found))
    return found


def _unlabelled_patients(data: Dataset, split: str) -> dict[str, int]:
    """{patient of whom no frame of the split has a label: number of frames}."""
    if data.labelled_frames(split) == data.frames(split):
        return {}
    return _without_labels(_Shown(data.path, data.checksum, split, data.labelled_patients, data))


@dataclasses.dataclass(frozen=True)
class _Shown:
    """A split with the labels that are shown; two of the same content are equal."""

    path: Path
    checksum: str
    split: str
    labelled_patients: frozenset[str] | None
    data: Dataset = dataclasses.field(compare=False)


@functools.lru_cache(maxsize=8)
def _without_labels(shown: _Shown) -> dict[str, int]:
    labels = labels_of_patients(shown.data, shown.split)
    return {patient: sum(found.values()) for patient, found in labels.items() if set(found) == {UNLABELLED}}


def labels_of_patients(data: Dataset, split: str) -> dict[str, Counter[int]]:
    """{patient: {label: number of frames}}, as they are shown."""
    pairs: Counter[tuple[bytes, int]] = Counter()
    for rows in read_labels(data, split):
        pairs.update(zip(rows.patients.tolist(), rows.labels.tolist()))
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for (patient, label), count in pairs.items():
        found[patient.decode()][label] = count
    return found


def _shuffled_points(data: Dataset, split: str, seed: int) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """position → the points x and y, float32 [n], of a frame of another recording.

    A frame's neighbour in its own clip was looked at in nearly the same place, so frames
    are ordered by a shuffle of the *recordings* and their gaze is moved on by at least the
    longest recording. Points and their number stay what they were.
    """
    recording, names, ends, x, y = _points(data, split)
    rank = np.empty(len(names), np.int32)
    rank[np.argsort(np.array(names, object))] = np.random.default_rng(seed).permutation(len(names))
    order = np.argsort(rank[recording], kind="stable").astype(np.int32)
    lengths = np.bincount(recording)
    longest, frames = int(lengths.max()), len(recording)
    if len(x) and 2 * longest > frames:
        raise InputError(
            f"{data.path}, split {split!r}: gaze 'shuffled': recording {names[lengths.argmax()].decode()} has "
            f"{longest} of the {frames} frames, more than half, so some of them can't get the gaze of another one: "
            "add recordings"
        )
    source = np.empty(frames, np.int32)
    source[order] = np.roll(order, -longest)
    # One copy, in compact types: of a million frames these lists are what grows.
    given, stops, points = tf.constant(source), tf.constant(ends), (tf.constant(x), tf.constant(y))

    def run(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        frame = given[index]
        first, stop = tf.where(frame > 0, stops[tf.maximum(frame - 1, 0)], 0), stops[frame]
        return points[0][first:stop], points[1][first:stop]

    return run


def _points(data: Dataset, split: str) -> tuple[np.ndarray, list[bytes], np.ndarray, np.ndarray, np.ndarray]:
    """Number of each frame's recording, names of the recordings, ends of each frame's points, all x and all y."""
    numbers: dict[bytes, int] = {}
    parts: list[tuple[np.ndarray, ...]] = []
    for some in read_columns(data, split, ("recording_id", "gaze_x", "gaze_y")):
        names, x, y = some["recording_id"], some["gaze_x"], some["gaze_y"]
        found = np.array([numbers.setdefault(name, len(numbers)) for name in names.numpy()], np.int32)
        parts.append((found, x.row_lengths().numpy(), x.flat_values.numpy(), y.flat_values.numpy()))
    recording, counts, flat_x, flat_y = (np.concatenate(arrays) for arrays in zip(*parts))
    return recording, list(numbers), np.cumsum(counts), flat_x, flat_y
