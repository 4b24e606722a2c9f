"""The records in shards, checked one by one: every fault is named with its file and its place."""

from __future__ import annotations

import hashlib
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from common.errors import InputError, disk_errors

_CURE = "make the data set again with prepare.py"
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
# Kind of each feature, and how many values it has; None for any number.
_KINDS: Mapping[str, tuple[str, int | None]] = {
    "frame": ("bytes_list", 1),
    "gaze_x": ("float_list", None),
    "gaze_y": ("float_list", None),
    "label": ("int64_list", 1),
    "recording_id": ("bytes_list", 1),
    "patient_id": ("bytes_list", 1),
    "scanner": ("bytes_list", 1),
    "frame_index": ("int64_list", 1),
    "time_s": ("float_list", 1),
}


def sha256_of_shard(shard: Path) -> str:
    """SHA-256 (hex) of a shard's bytes."""
    with disk_errors(shard), shard.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_split(
    shards: Sequence[Path],
    *,
    classes: Sequence[str],
    frame_size: tuple[int, int],
    counts: Mapping,
    decode: bool,
) -> None:
    """Check every record of a split, and that they are what `dataset.json` counts.

    Args:
        shards: files of the split. classes: class names. frame_size: (H, W), pixels.
        counts: the split as `dataset.json` has it.
        decode: decode every PNG; otherwise its header and its end are looked at.

    Raises:
        InputError: names the shard and the record.
    """
    frames: Counter = Counter()
    patients: Counter = Counter()
    for shard in shards:
        for number, raw in enumerate(_raw_records(shard)):
            name, patient = _check_record(raw, f"{shard}: record {number}", classes, frame_size, decode)
            frames[name] += 1
            patients[patient] += 1
        if decode:
            _check_sums(shard)
    where = shards[0].parent / "dataset.json" if shards else "dataset.json"
    for what, found, said in (
        ("frames per class", frames, counts["frames_per_class"]),
        ("frames per patient", patients, counts["frames_per_patient"]),
    ):
        if dict(found) != {key: n for key, n in said.items() if n}:
            raise InputError(f"{where}: the {what} are not those in {shards[0].name} and on: {_CURE}")


def _raw_records(shard: Path) -> Iterator[bytes]:
    """The records of a TFRecord file: length, its checksum, data, their checksum."""
    size = shard.stat().st_size
    with disk_errors(shard), shard.open("rb") as stream:
        number = 0
        while head := stream.read(12):
            (length,) = struct.unpack("<Q", head[:8].ljust(8, b"\xff"))
            if len(head) < 12 or length > size - stream.tell() - 4:
                raise InputError(f"{shard}: record {number} is torn: {_CURE}")
            yield stream.read(length)
            stream.read(4)
            number += 1


def _check_sums(shard: Path) -> None:
    """The checksum that each record of a TFRecord file carries, which TensorFlow refuses by when it reads it."""
    number = 0
    try:
        for _ in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            number += 1
    except tf.errors.DataLossError:
        raise InputError(f"{shard}: record {number} is damaged, its checksum is wrong: {_CURE}") from None


def _check_record(
    raw: bytes, where: str, classes: Sequence[str], frame_size: tuple[int, int], decode: bool
) -> tuple[str, str]:
    """(class or "unlabelled", patient id) of a record."""
    try:
        features = tf.train.Example.FromString(raw).features.feature
    except DecodeError:
        raise InputError(f"{where} is damaged: {_CURE}") from None
    values = {}
    for name, (kind, count) in _KINDS.items():
        if name not in features:
            raise InputError(f"{where}: {name} is missing: {_CURE}")
        # An empty list of another kind too is one that TensorFlow refuses.
        found = getattr(features[name], features[name].WhichOneof("kind") or kind).value
        if (count is not None and len(found) != count) or features[name].WhichOneof("kind") not in (None, kind):
            raise InputError(f"{where}: {name} has {len(found)} values of another kind or number: {_CURE}")
        values[name] = list(found)
    label = values["label"][0]
    if not -1 <= label < len(classes):
        raise InputError(f"{where}: label is {label}, and there are {len(classes)} classes: {_CURE}")
    if len(values["gaze_x"]) != len(values["gaze_y"]):
        raise InputError(f"{where}: {len(values['gaze_x'])} gaze x for {len(values['gaze_y'])} gaze y: {_CURE}")
    for name in ("gaze_x", "gaze_y", "time_s"):
        if not all(map(math.isfinite, values[name])):
            raise InputError(f"{where}: {name} is no finite number: {_CURE}")
    if values["frame_index"][0] < 0:
        raise InputError(f"{where}: frame_index is {values['frame_index'][0]}: {_CURE}")
    texts = {}
    for name in ("recording_id", "patient_id", "scanner"):
        try:
            texts[name] = values[name][0].decode()
        except UnicodeDecodeError:
            raise InputError(f"{where}: {name} is no UTF-8 text: {_CURE}") from None
    _check_png(values["frame"][0], where, frame_size, decode)
    return classes[label] if label >= 0 else "unlabelled", texts["patient_id"]


def _check_png(png: bytes, where: str, frame_size: tuple[int, int], decode: bool) -> None:
    if not png.startswith(_PNG_HEAD) or not png.endswith(_PNG_END):
        raise InputError(f"{where}: frame is no whole PNG: {_CURE}")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    if (height, width) != tuple(frame_size) or (depth, colour) != (8, 0):
        raise InputError(
            f"{where}: frame has {width}x{height} pixels of {depth} bits, colour {colour}, and not "
            f"{frame_size[1]}x{frame_size[0]} of 8 bits grey: {_CURE}"
        )
    if decode:
        from PIL import Image

        try:
            Image.open(BytesIO(png), formats=("PNG",)).load()
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{where}: frame can't be decoded ({error}): {_CURE}") from error
