"""Which frames of a split are used, and whose gaze they get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from common.errors import InputError
from data.dataset import UNLABELLED, Dataset
from data.reading import read_split

GAZE_MODES = ("real", "none", "shuffled", "centre")
UNLABELLED_MODES = ("all", "patients", "withheld", "none")


def selected_examples(
    data: Dataset, split: str, *, gaze: str = "real", unlabelled: str = "all", seed: int = 0
) -> Callable[..., tf.data.Dataset]:
    """The frames that are kept, with the gaze that they get.

    Args:
        data, split: where they come from.
        gaze, unlabelled, seed: see `data.pipeline.PipelineSettings`.

    Returns:
        (order, span) → examples {"index" int64, its position in the split, "frame" uint8 [H, W, 1], "x", "y"
        float32 [n], "label" int32}. Without an order they come as stored; a seed, int64 [2], gives
        the shards in random order and interleaved. Without a span they are those of the whole split; a span is
        the first position and the one after the last.

    Raises:
        InputError: an unknown mode, or gaze that can't be shuffled.
    """
    if gaze not in GAZE_MODES:
        raise InputError(f"gaze must be one of {', '.join(GAZE_MODES)}, not {gaze!r}")
    points = None
    if gaze == "shuffled":
        rows = read_split(data, split, frames=False)
        points = [tf.constant(axis) for axis in _shuffled_points(rows, seed, f"{data.path}, split {split!r}")]
    kept = keeps(data, split, unlabelled)

    def prepare(example):
        x, y = example["gaze_x"], example["gaze_y"]
        if points is not None:
            x, y = (_flat(axis[example["index"]]) for axis in points)
        elif gaze == "none":
            x = y = tf.zeros([0])
        elif gaze == "centre":
            x = y = tf.fill([tf.minimum(tf.size(x), 1)], 0.5)
        return {"index": example["index"], "frame": example["frame"], "x": x, "y": y, "label": example["label"]}

    def examples(order: tf.Tensor | None = None, span: tuple[int, int] | None = None) -> tf.data.Dataset:
        found = read_split(data, split, order=order, span=span)
        found = found if kept is None else found.filter(kept)
        return found.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)

    return examples


def frames_taken(data: Dataset, split: str, unlabelled: str) -> int:
    """Number of frames of a split that are kept; see `PipelineSettings.unlabelled`.

    Raises:
        InputError: no such split, or no such choice.
    """
    if unlabelled not in UNLABELLED_MODES:
        raise InputError(f"unlabelled must be one of {', '.join(UNLABELLED_MODES)}, not {unlabelled!r}")
    if unlabelled == "all":
        return data.frames(split)
    more = {
        "patients": lambda: sum(_unlabelled_patients(data, split).values()),
        "withheld": lambda: data.withheld_frames(split),
        "none": lambda: 0,
    }
    return data.labelled_frames(split) + more[unlabelled]()


def keeps(data: Dataset, split: str, unlabelled: str) -> Callable[[dict], tf.Tensor] | None:
    """example of `read_split` → whether it is kept, see `PipelineSettings.unlabelled`; None keeps all."""
    if unlabelled == "all":
        return None
    wanted = sorted(_unlabelled_patients(data, split)) if unlabelled == "patients" else []
    patients = tf.constant(wanted, tf.string, [len(wanted)])

    def kept(example: dict) -> tf.Tensor:
        found = (example["label"] != UNLABELLED) | tf.reduce_any(example["patient_id"] == patients)
        return found | example["withheld"] if unlabelled == "withheld" else found

    return kept


def _unlabelled_patients(data: Dataset, split: str) -> dict[str, int]:
    """{patient of whom no frame of the split has a label: number of frames}."""
    if data.labelled_frames(split) == data.frames(split):
        return {}
    frames: Counter[str] = Counter()
    labelled: set[str] = set()
    for example in read_split(data, split, frames=False).as_numpy_iterator():
        patient = example["patient_id"].decode()
        frames[patient] += 1
        if example["label"] != UNLABELLED:
            labelled.add(patient)
    return {patient: count for patient, count in frames.items() if patient not in labelled}


def _flat(row: tf.Tensor) -> tf.Tensor:
    """A padded row without its NaN padding."""
    return tf.boolean_mask(row, ~tf.math.is_nan(row))


def _shuffled_points(examples: tf.data.Dataset, seed: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Every frame's points, given to a frame of another recording.

    A frame's neighbour in its own clip was looked at in nearly the same place, so frames
    are ordered by a shuffle of the *recordings* and their gaze is moved on by at least the
    longest recording. Points and their number stay what they were.
    """
    rows = [(example["recording_id"], example["gaze_x"], example["gaze_y"]) for example in examples.as_numpy_iterator()]
    recordings = sorted({row[0] for row in rows})
    rank = dict(zip(recordings, np.random.default_rng(seed).permutation(len(recordings)), strict=True))
    order = sorted(range(len(rows)), key=lambda i: (rank[rows[i][0]], i))
    name, longest = Counter(row[0] for row in rows).most_common(1)[0]
    widest = max(len(row[1]) for row in rows)
    if widest and 2 * longest > len(rows):
        raise InputError(
            f"{where}: gaze 'shuffled': recording {name.decode()} has {longest} of the {len(rows)} frames, more than "
            "half, so some of them can't get the gaze of another one: add recordings"
        )
    widest = max(1, widest)
    x, y = (np.full((len(rows), widest), np.nan, np.float32) for _ in range(2))
    for place, index in enumerate(order):
        _, from_x, from_y = rows[order[(place + longest) % len(rows)]]
        x[index, : len(from_x)], y[index, : len(from_y)] = from_x, from_y
    return x, y
