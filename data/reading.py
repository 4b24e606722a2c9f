"""Shards of a split → parsed examples, in stored order or mixed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data.dataset import UNLABELLED, Dataset, FrameRecord
from data.mixing import mixed_records
from data.traced import as_written

_FEATURES = {
    "frame": tf.io.FixedLenFeature([], tf.string),
    "gaze_x": tf.io.RaggedFeature(tf.float32),
    "gaze_y": tf.io.RaggedFeature(tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "recording_id": tf.io.FixedLenFeature([], tf.string),
    "patient_id": tf.io.FixedLenFeature([], tf.string),
    "scanner": tf.io.FixedLenFeature([], tf.string),
    "frame_index": tf.io.FixedLenFeature([], tf.int64),
    "time_s": tf.io.FixedLenFeature([], tf.float32),
}


@as_written
def read_split(
    data: Dataset,
    split: str,
    *,
    frames: bool = True,
    order: tf.Tensor | None = None,
    span: tuple[int, int] | None = None,
    kept: Callable[[dict[str, tf.Tensor]], tf.Tensor] | None = None,
    each: Callable[[dict[str, tf.Tensor]], Any] | None = None,
) -> tf.data.Dataset:
    """Parsed examples of a split, in the order they were written.

    With `order`, int64 [2], of the run and of the epoch, they come mixed, see `data.mixing`.

    Elements: dict of `frame` uint8 [H, W, 1], `gaze_x` and `gaze_y` float32 [n]
    (normalised to the frame, n may be 0), `label` int32, `recording_id`, `patient_id`
    and `scanner` string, `frame_index` int64, `time_s` float32, `index` int64, the position
    in the split, and `withheld` bool, whether the frame has a label that is not shown (`data.labels`); its `label`
    is then −1. Without `frames` the pixels are not decoded, and left out. With a `span`, the first position and the one
    after the last, the shards that hold the range are opened, and no others. With `kept`, example without its frame →
    bool, the others are left out, and their pixels are not decoded. With `each` the elements are what it gives
    for them: one step for a record, where two steps cost more than either does.
    """
    hides = split == "train" and data.labelled_patients is not None
    shown = sorted(data.labelled_patients or ()) if hides else []
    shown = tf.constant(shown, tf.string, [len(shown)])
    first, end = span or (0, data.frames(split))
    every = list(zip(data.shards(split), data.shard_starts(split)))
    after = [start for _, start in every[1:]] + [data.frames(split)]
    held = [shard for shard, stop in zip(every, after) if stop > first and shard[1] < end]
    shards, starts = [name for name, _ in held], [start for _, start in held]
    if order is None:
        records = tf.data.TFRecordDataset(shards).enumerate(starts[0])
    else:
        records = mixed_records(shards, starts, order)
    if span is not None:
        records = records.filter(lambda index, _: (index >= first) & (index < end))

    if kept is not None:
        label = _parser(None, hides)
        records = records.filter(lambda index, record: kept(label(index, record, shown)))
    parse = _parser(data.frame_size if frames else None, hides)

    def read(index: tf.Tensor, record: tf.Tensor) -> Any:
        example = parse(index, record, shown)
        return example if each is None else each(example)

    return records.map(read, num_parallel_calls=tf.data.AUTOTUNE)


@functools.lru_cache(maxsize=32)
def _parser(frame_size: tuple[int, int] | None, hides: bool) -> Callable[..., dict[str, tf.Tensor]]:
    """(position, record, patients whose labels are shown) → example; its graph is built once.

    Args:
        frame_size: None leaves the pixels out.
        hides: whether the labels of other patients are withheld.
    """

    def parse(index: tf.Tensor, record: tf.Tensor, shown: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tf.io.parse_single_example(record, _FEATURES)
        example["index"] = index
        png = example.pop("frame")
        if frame_size is not None:
            example["frame"] = tf.ensure_shape(tf.io.decode_png(png, channels=1), [*frame_size, 1])
        label = tf.cast(example["label"], tf.int32)
        hidden = tf.reduce_all(example["patient_id"] != shown) if hides else tf.constant(False)
        example["withheld"] = hidden & (label != UNLABELLED)
        example["label"] = tf.where(hidden, UNLABELLED, label)
        return example

    text = tf.TensorSpec([], tf.string)
    return tf.function(parse, autograph=False).get_concrete_function(
        tf.TensorSpec([], tf.int64), text, tf.TensorSpec([None], tf.string)
    )


def stored_records(data: Dataset, split: str) -> Iterator[FrameRecord]:
    """The records of a split in the order they were written, frames as the bytes of their PNGs, labels as stored.

    `write_dataset` writes them again byte for byte.
    """
    for raw in tf.data.TFRecordDataset(data.shards(split)).as_numpy_iterator():
        feature = tf.train.Example.FromString(raw).features.feature
        texts = {name: feature[name].bytes_list.value[0].decode() for name in ("recording_id", "patient_id", "scanner")}
        yield FrameRecord(
            frame=feature["frame"].bytes_list.value[0],
            label=feature["label"].int64_list.value[0],
            frame_index=feature["frame_index"].int64_list.value[0],
            time_s=feature["time_s"].float_list.value[0],
            gaze_x=list(feature["gaze_x"].float_list.value),
            gaze_y=list(feature["gaze_y"].float_list.value),
            **texts,
        )


@as_written
def read_columns(data: Dataset, split: str, names: Sequence[str], rows: int = 4096) -> tf.data.Dataset:
    """Some columns of a split as stored, many rows at a time, in the order they were written; pixels are not looked at.

    A row by itself costs a hundred times as much as its numbers. Labels are as stored: `labelled_patients` hides none.

    Args:
        names: of the columns, such as "recording_id" and "gaze_x".
        rows: of an element.

    Returns:
        dict of tensors [rows]; of gaze_x and gaze_y ragged [rows, n].
    """
    features = {name: _FEATURES[name] for name in names}
    records = tf.data.TFRecordDataset(data.shards(split)).batch(rows)
    return records.map(lambda some: tf.io.parse_example(some, features), num_parallel_calls=tf.data.AUTOTUNE)


@dataclasses.dataclass(frozen=True)
class Labels:
    """Some rows of a split, in the order they were written, without frames.

    Attributes:
        patients: bytes [rows]. labels: int32 [rows], as they are shown.
        withheld: bool [rows], whether there is a label that is not shown.
        columns: {other name: values [rows]} as stored.
    """

    patients: np.ndarray
    labels: np.ndarray
    withheld: np.ndarray
    columns: dict[str, np.ndarray]


def read_labels(data: Dataset, split: str, more: Sequence[str] = ()) -> Iterator[Labels]:
    """Patients and labels of a split, as `read_split` gives them, many rows at a time, and `more` columns."""
    names = ("patient_id", "label", *more)
    for some in read_columns(data, split, names).as_numpy_iterator():
        patients, labels = some.pop("patient_id"), some.pop("label").astype(np.int32)
        hidden = np.zeros(len(labels), bool)
        if split == "train" and data.labelled_patients is not None:
            shown = {patient.encode() for patient in data.labelled_patients}
            hidden = np.fromiter((patient not in shown for patient in patients), bool, len(labels))
        withheld = hidden & (labels != UNLABELLED)
        yield Labels(patients, np.where(hidden, np.int32(UNLABELLED), labels), withheld, some)
