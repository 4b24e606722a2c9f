"""One frame with what is known about it, and the `tf.train.Example` that a shard holds of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data.frames import encode_png, png_size

if TYPE_CHECKING:
    import tensorflow as tf

UNLABELLED = -1


@dataclasses.dataclass(frozen=True)
class FrameRecord:
    """One frame with what is known about it.

    Attributes:
        frame: uint8 [H, W], grey, or the bytes of its PNG (`data.frames.encode_png`).
        label: index into the class names, or `UNLABELLED`.
        recording_id, patient_id: as in the manifest.
        frame_index: of the frame in its recording, from 0.
        time_s: presentation time in the recording, s.
        gaze_x, gaze_y: gaze points shown with this frame, normalised to the frame
            (0 = left or top edge, 1 = right or bottom edge); empty = no gaze.
        scanner: the machine, or "" where nobody said.
    """

    frame: np.ndarray | bytes
    label: int
    recording_id: str
    patient_id: str
    frame_index: int
    time_s: float
    gaze_x: Sequence[float] = ()
    gaze_y: Sequence[float] = ()
    scanner: str = ""


def check_frame(frame: np.ndarray | bytes, size: tuple[int, ...]) -> None:
    """Refuse a frame, uint8 [H, W] or its PNG, of another size than (H, W).

    Raises:
        ValueError: such a frame, or one that is not grey of 8 bits.
    """
    if isinstance(frame, bytes):
        if png_size(frame) != size:
            raise ValueError(f"frame is a PNG of {png_size(frame)}, expected 8 bits grey of {size}")
    elif frame.dtype != np.uint8 or frame.shape != size:
        raise ValueError(f"frame is {frame.dtype} {frame.shape}, expected uint8 {size}")


def to_example(record: FrameRecord) -> tf.train.Example:
    """The record of a shard; the frame becomes a PNG.

    Raises:
        ValueError: gaze points without an x or a y.
    """
    if len(record.gaze_x) != len(record.gaze_y):
        raise ValueError(f"{len(record.gaze_x)} gaze x for {len(record.gaze_y)} gaze y")
    # Imported late: processes that decode recordings make records, and do without TensorFlow.
    import tensorflow as tf

    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    def integer(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))

    def numbers(values: Sequence[float]) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[float(v) for v in values]))

    png = record.frame if isinstance(record.frame, bytes) else encode_png(record.frame)
    feature = {
        "frame": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
        "gaze_x": numbers(record.gaze_x),
        "gaze_y": numbers(record.gaze_y),
        "label": integer(record.label),
        "recording_id": text(record.recording_id),
        "patient_id": text(record.patient_id),
        "scanner": text(record.scanner),
        "frame_index": integer(record.frame_index),
        "time_s": numbers([record.time_s]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))
