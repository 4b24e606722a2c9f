"""The data set on disk: TFRecord shards of `tf.train.Example` and `dataset.json`.

Whatever the source was (recordings, FETAL_PLANES_DB, the phantom), training and
evaluation see this format alone. Gaze is stored as points, never as maps: the
map's size and width are chosen when training.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

import numpy as np
import tensorflow as tf

from common.errors import InputError
from common.files import sha256_of, whole_folder, write_text
from data.splits import SPLITS

FORMAT_VERSION = 1
UNLABELLED = -1
_FRAMES_PER_SHARD = 2048


@dataclasses.dataclass(frozen=True)
class FrameRecord:
    """One frame with what is known about it.

    Attributes:
        frame: uint8 [H, W], grey.
        label: index into the class names, or `UNLABELLED`.
        recording_id, patient_id: as in the manifest.
        frame_index: of the frame in its recording, from 0.
        time_s: presentation time in the recording, s.
        gaze_x, gaze_y: gaze points shown with this frame, normalised to the frame
            (0 = left or top edge, 1 = right or bottom edge); empty = no gaze.
    """

    frame: np.ndarray
    label: int
    recording_id: str
    patient_id: str
    frame_index: int
    time_s: float
    gaze_x: Sequence[float] = ()
    gaze_y: Sequence[float] = ()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An opened data set: what `dataset.json` says, checked."""

    path: Path
    classes: tuple[str, ...]
    frame_size: tuple[int, int]  # (H, W), pixels
    checksum: str  # sha256 over all shards
    info: dict  # the whole of dataset.json

    def shards(self, split: str) -> list[str]:
        """Paths of a split's shards, in order."""
        return [str(self.path / name) for name in self._split(split)["shards"]]

    def frames(self, split: str) -> int:
        """Number of frames in a split."""
        return self._split(split)["frames"]

    def labelled_frames(self, split: str) -> int:
        """Number of frames in a split that have a label."""
        counts = self._split(split)["frames_per_class"]
        return sum(counts[name] for name in self.classes)

    def patients(self, split: str) -> int:
        """Number of patients in a split."""
        return len(self._split(split)["frames_per_patient"])

    def gaze_frames(self, split: str) -> int:
        """Number of frames in a split that have at least one gaze point."""
        return self._split(split)["gaze_frames"]

    def _split(self, split: str) -> dict:
        found = self.info["splits"].get(split)
        if not found or not found["frames"]:
            there = [name for name, value in self.info["splits"].items() if value["frames"]]
            raise InputError(f"{self.path}: has no frames in split {split!r}; it has {', '.join(there)}")
        return found


class DatasetWriter:
    """Collects frames and counts; `write_dataset` opens and closes it."""

    def __init__(self, folder: Path, classes: Sequence[str], frame_size: tuple[int, int]):
        self._folder = folder
        self._classes = tuple(classes)
        self._frame_size = tuple(int(n) for n in frame_size)
        self._open: dict[str, tf.io.TFRecordWriter] = {}
        self._shards: dict[str, list[str]] = {split: [] for split in SPLITS}
        self._frames: Counter = Counter()
        self._per_class: dict[str, Counter] = defaultdict(Counter)
        self._gaze_per_class: dict[str, Counter] = defaultdict(Counter)
        self._per_patient: dict[str, Counter] = defaultdict(Counter)
        self._recordings: dict[str, set] = defaultdict(set)
        self.refused: Counter = Counter()
        self.notes: Counter = Counter()

    def add(self, split: str, record: FrameRecord) -> None:
        """Append one frame to a split."""
        if split not in SPLITS:
            raise InputError(f"recording {record.recording_id}: split {split!r} is none of {', '.join(SPLITS)}")
        if record.frame.dtype != np.uint8 or record.frame.shape != self._frame_size:
            raise ValueError(f"frame is {record.frame.dtype} {record.frame.shape}, expected uint8 {self._frame_size}")
        if record.label != UNLABELLED and not 0 <= record.label < len(self._classes):
            raise ValueError(f"label is {record.label}, expected {UNLABELLED} to {len(self._classes) - 1}")
        if self._frames[split] % _FRAMES_PER_SHARD == 0:
            self._next_shard(split)
        self._open[split].write(_to_example(record).SerializeToString(deterministic=True))
        name = self._classes[record.label] if record.label != UNLABELLED else "unlabelled"
        self._frames[split] += 1
        self._per_class[split][name] += 1
        self._gaze_per_class[split][name] += bool(len(record.gaze_x))
        self._per_patient[split][record.patient_id] += 1
        self._recordings[split].add(record.recording_id)

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count frames (or recordings) left out, by reason; stored and printed."""
        self.refused[reason] += count

    def note(self, what: str, count: float = 1) -> None:
        """Count anything else worth storing, such as off-image gaze samples."""
        self.notes[what] += count

    def _next_shard(self, split: str) -> None:
        if split in self._open:
            self._open[split].close()
        name = f"{split}-{len(self._shards[split]):05d}.tfrecord"
        self._shards[split].append(name)
        self._open[split] = tf.io.TFRecordWriter(str(self._folder / name))

    def finish(self, source: Mapping, seed: int | None, require_all_classes: bool) -> None:
        """Close the shards, check the counts and write `dataset.json`, last of all."""
        self.close()
        if not sum(self._frames.values()):
            reasons = "; ".join(f"{n} {reason}" for reason, n in self.refused.items()) or "the source is empty"
            raise InputError(f"no frame was left to write ({reasons})")
        if require_all_classes:
            self._check_classes()
        _check_patients({split: dict(count) for split, count in self._per_patient.items()}, "the source")
        splits = {
            split: {
                "shards": self._shards[split],
                "shard_bytes": [(self._folder / name).stat().st_size for name in self._shards[split]],
                "frames": self._frames[split],
                "recordings": len(self._recordings[split]),
                "patients": len(self._per_patient[split]),
                "frames_per_class": {c: self._per_class[split][c] for c in self._class_rows(split)},
                "gaze_frames": sum(self._gaze_per_class[split].values()),
                "gaze_frames_per_class": {c: self._gaze_per_class[split][c] for c in self._class_rows(split)},
                "frames_per_patient": dict(sorted(self._per_patient[split].items())),
            }
            for split in SPLITS
        }
        info = {
            "format": FORMAT_VERSION,
            "classes": list(self._classes),
            "frame_size": list(self._frame_size),
            "source": dict(source),
            "split_seed": seed,
            "splits": splits,
            "refused": dict(self.refused),
            "notes": dict(self.notes),
            "checksum": self._checksum(),
        }
        write_text(self._folder / "dataset.json", json.dumps(info, indent=2, ensure_ascii=False) + "\n")

    def _checksum(self) -> str:
        """Of the shards' bytes, and of what tells them apart: splits, sizes and class names."""
        shards = [self._folder / name for names in self._shards.values() for name in names]
        content = sha256_of(shards)
        layout = [[shard.name, shard.stat().st_size] for shard in shards]
        return hashlib.sha256(json.dumps([content, layout, self._classes]).encode()).hexdigest()

    def close(self) -> None:
        """Close the shard files that are open."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _class_rows(self, split: str) -> list[str]:
        return [*self._classes, *(["unlabelled"] if self._per_class[split]["unlabelled"] else [])]

    def _check_classes(self) -> None:
        for split in SPLITS:
            missing = [c for c in self._classes if not self._per_class[split][c]]
            # Frames that nobody labelled can still be learned from, and lack no class.
            if missing and self._frames[split] != self._per_class[split]["unlabelled"]:
                raise InputError(
                    f"split {split!r} has no frame of class {', '.join(missing)}: add patients, change --seed or "
                    "the fractions, or give each patient a split in the source"
                )


@contextmanager
def write_dataset(
    path: str | os.PathLike,
    *,
    classes: Sequence[str],
    frame_size: tuple[int, int],
    source: Mapping,
    seed: int | None,
    overwrite: bool = False,
    require_all_classes: bool = True,
) -> Iterator[DatasetWriter]:
    """Write a data set, whole or not at all.

    Args:
        path: the folder to make.
        classes: class names; a record's label is an index into them.
        frame_size: (H, W) of every frame, pixels.
        source: what it was made from: at least "kind" and "checksum". Filled by the
            caller up to the end of the block.
        seed: of the split, or None for an official one.
        overwrite: replace `path` if it exists.
        require_all_classes: refuse a split that lacks a class.

    Raises:
        InputError: nothing to write, a class missing from a split, a patient in two
            splits, or a folder that can't be written.
    """
    if len(frame_size) != 2 or min(frame_size) < 1:
        raise InputError(f"--frame-size {' '.join(map(str, frame_size))}: two numbers of at least 1 are expected")
    with whole_folder(path, overwrite=overwrite, marker="dataset.json") as folder:
        writer = DatasetWriter(folder, classes, frame_size)
        try:
            yield writer
            writer.finish(source, seed, require_all_classes)
        finally:
            writer.close()


def open_dataset(path: str | os.PathLike) -> Dataset:
    """Open a data set and check it: whole, of this format, no patient in two splits.

    Raises:
        InputError: not a data set, a shard is missing or of another size, or a
            patient is in two splits.
    """
    path = Path(path)
    file = path / "dataset.json"
    if not file.is_file():
        raise InputError(f"{path}: is not a data set (no dataset.json): make one with prepare.py")
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        found = info["format"]
        data = Dataset(path, tuple(info["classes"]), tuple(info["frame_size"]), info["checksum"], info)
        patients = {split: value["frames_per_patient"] for split, value in info["splits"].items()}
        shards = [
            row
            for value in info["splits"].values()
            for row in zip_longest(value["shards"], value.get("shard_bytes", ()))
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: can't be read ({error}): make the data set anew with prepare.py") from error
    if found != FORMAT_VERSION:
        raise InputError(f"{file}: format {found}, expected {FORMAT_VERSION}: make it anew with prepare.py")
    for name, size in shards:
        shard = path / name
        if not shard.is_file():
            raise InputError(f"{shard}: the shard is missing: make the data set anew with prepare.py")
        if size is not None and shard.stat().st_size != size:
            raise InputError(
                f"{shard}: has {shard.stat().st_size} bytes, expected {size}: make the data set anew with prepare.py"
            )
    _check_patients(patients, file)
    return data


_FEATURES = {
    "frame": tf.io.FixedLenFeature([], tf.string),
    "gaze_x": tf.io.RaggedFeature(tf.float32),
    "gaze_y": tf.io.RaggedFeature(tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "recording_id": tf.io.FixedLenFeature([], tf.string),
    "patient_id": tf.io.FixedLenFeature([], tf.string),
    "frame_index": tf.io.FixedLenFeature([], tf.int64),
    "time_s": tf.io.FixedLenFeature([], tf.float32),
}


def read_split(data: Dataset, split: str, *, frames: bool = True) -> tf.data.Dataset:
    """Parsed examples of a split, in the order they were written.

    Elements: dict of `frame` uint8 [H, W, 1], `gaze_x` and `gaze_y` float32 [n]
    (normalised to the frame, n may be 0), `label` int32, `recording_id` and
    `patient_id` string, `frame_index` int64, `time_s` float32. Without `frames` the pixels are
    not decoded, and left out.
    """
    height, width = data.frame_size

    def parse(serialised):
        example = tf.io.parse_single_example(serialised, _FEATURES)
        png = example.pop("frame")
        if frames:
            example["frame"] = tf.ensure_shape(tf.io.decode_png(png, channels=1), [height, width, 1])
        example["label"] = tf.cast(example["label"], tf.int32)
        return example

    return tf.data.TFRecordDataset(data.shards(split)).map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _to_example(record: FrameRecord) -> tf.train.Example:
    if len(record.gaze_x) != len(record.gaze_y):
        raise ValueError(f"{len(record.gaze_x)} gaze x for {len(record.gaze_y)} gaze y")

    def text(value: str) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    def integer(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))

    def numbers(values) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[float(v) for v in values]))

    png = tf.io.encode_png(record.frame[..., None]).numpy()
    feature = {
        "frame": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
        "gaze_x": numbers(record.gaze_x),
        "gaze_y": numbers(record.gaze_y),
        "label": integer(record.label),
        "recording_id": text(record.recording_id),
        "patient_id": text(record.patient_id),
        "frame_index": integer(record.frame_index),
        "time_s": numbers([record.time_s]),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def _check_patients(patients: Mapping[str, Mapping[str, int]], where) -> None:
    seen: dict[str, str] = {}
    for split, ids in patients.items():
        for patient in ids:
            if seen.setdefault(patient, split) != split:
                raise InputError(
                    f"{where}: patient {patient} is in split {seen[patient]!r} and in {split!r}: "
                    "a patient may be in one split only, so give all its recordings the same"
                )
