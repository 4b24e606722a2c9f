"""The data set on disk: TFRecord shards of `tf.train.Example` and `dataset.json`.

Whatever the source was (recordings, FETAL_PLANES_DB, the phantom), training and
evaluation see this format alone. Gaze is stored as points, never as maps: the
map's size and width are chosen when training.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from common.documents import checked, read_json
from common.errors import InputError
from common.files import path_kind, set_aside, whole_folder, write_text
from data.frame_record import UNLABELLED, FrameRecord, check_frame, to_example
from data.names import name_fault, refuse_spellings
from data.pseudonyms import Pseudonyms
from data.records import check_split, sha256_of_shard
from data.schema import FORMAT_VERSION, RULE_KEYS, DatasetInfo, checksum_of
from data.splits import SPLITS
from data.tables import nearest
from data.video.framing import FrameRule

UNKNOWN_SCANNER = "unknown"
FRAMES_PER_SHARD = 2048
# Up to this many bytes of shards, checksums and records are verified whenever a data set is opened.
SMALL_BYTES = 64 << 20
_PADDED = FrameRule()
_CURE = "make the data set again with prepare.py"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An opened data set: what `dataset.json` says, checked.

    `labelled_patients` are the training patients whose labels are shown, None = all: see `data.labels`. It does not
    change the checksum, which is of what lies on disk.
    """

    path: Path
    classes: tuple[str, ...]
    frame_size: tuple[int, int]  # (H, W), pixels
    checksum: str  # sha256 over the shards' checksums, names and sizes, the classes, the frame size and the frame rule
    info: dict[str, Any]  # the whole of dataset.json
    labelled_patients: frozenset[str] | None = None

    @property
    def fit(self) -> Literal["pad", "stretch"]:
        """Whether images were padded to the frame's ratio or stretched."""
        return self.info["fit"]

    @property
    def fan(self) -> Literal["keep", "blank"]:
        """Whether what lies outside the fan was blanked."""
        return self.info["fan"]

    @property
    def rule(self) -> FrameRule:
        """How images became its frames."""
        return FrameRule(**{name: self.info[name] for name in RULE_KEYS})

    def shards(self, split: str) -> list[str]:
        """Paths of a split's shards, in order."""
        return [str(self.path / name) for name in self._split(split)["shards"]]

    def shard_starts(self, split: str) -> list[int]:
        """Position in the split of each shard's first frame; all shards but the last are full."""
        return [FRAMES_PER_SHARD * number for number in range(len(self.shards(split)))]

    def frames(self, split: str) -> int:
        """Number of frames in a split."""
        return self._split(split)["frames"]

    def labelled_frames(self, split: str) -> int:
        """Number of frames in a split that have a label."""
        counts = self._split(split)["frames_per_class"]
        return sum(counts[name] for name in self.classes)

    def withheld_frames(self, split: str) -> int:
        """Number of frames in a split whose label is there and not shown."""
        return self._split(split).get("withheld_frames", 0)

    def patients(self, split: str) -> int:
        """Number of patients in a split."""
        return len(self._split(split)["frames_per_patient"])

    def gaze_frames(self, split: str) -> int:
        """Number of frames in a split that have at least one gaze point."""
        return self._split(split)["gaze_frames"]

    def scanners(self, split: str) -> dict[str, int]:
        """{machine: number of frames} of a split; "unknown" where nobody said."""
        return dict(self._split(split)["frames_per_scanner"])

    def _split(self, split: str) -> dict:
        found = self.info["splits"].get(split)
        if not found or not found["frames"]:
            there = [name for name, value in self.info["splits"].items() if value["frames"]]
            raise InputError(f"{self.path}: has no frames in split {split!r}; it has {', '.join(there)}")
        return found


class DatasetWriter:
    """Collects frames and counts; `write_dataset` opens and closes it.

    Attributes:
        folder: where the shards are until the data set is whole; what else lies there goes into it too.
        refused: frames or recordings left out, by reason. notes: anything else that is counted.
    """

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str],
        frame_size: tuple[int, int],
        pseudonyms: Pseudonyms | None = None,
        rule: FrameRule = _PADDED,
        origin: str | os.PathLike = "the source",
    ) -> None:
        self.folder, self._origin = folder, origin
        self._rule = rule
        self._pseudonyms = pseudonyms
        self._classes = tuple(classes)
        self._frame_size = tuple(int(n) for n in frame_size)
        self._open: dict[str, tf.io.TFRecordWriter] = {}
        self._shards: dict[str, list[str]] = {split: [] for split in SPLITS}
        self._frames: Counter = Counter()
        self._per_class: dict[str, Counter] = defaultdict(Counter)
        self._gaze_per_class: dict[str, Counter] = defaultdict(Counter)
        self._per_patient: dict[str, Counter] = defaultdict(Counter)
        self._per_scanner: dict[str, Counter] = defaultdict(Counter)
        self._patients: dict[str, None] = {}  # as the source has them, in order
        self._recordings: dict[str, set] = defaultdict(set)
        self.refused: Counter = Counter()
        self.notes: dict[str, float] = defaultdict(int)

    def add(self, split: str, record: FrameRecord) -> None:
        """Append one frame to a split.

        Raises:
            InputError: no such split.
            ValueError: a frame of another size or type, or a label that is no class.
        """
        if split not in SPLITS:
            raise InputError(f"recording {record.recording_id}: split {split!r} is none of {', '.join(SPLITS)}")
        check_frame(record.frame, self._frame_size)
        if record.label != UNLABELLED and not 0 <= record.label < len(self._classes):
            raise ValueError(f"label is {record.label}, expected {UNLABELLED} to {len(self._classes) - 1}")
        self._patients[record.patient_id] = None
        if self._pseudonyms is not None:
            record = dataclasses.replace(
                record,
                recording_id=self._pseudonyms.recording(record.recording_id),
                patient_id=self._pseudonyms.patient(record.patient_id),
            )
        if self._frames[split] % FRAMES_PER_SHARD == 0:
            self._next_shard(split)
        self._open[split].write(to_example(record).SerializeToString(deterministic=True))
        name = self._classes[record.label] if record.label != UNLABELLED else "unlabelled"
        self._frames[split] += 1
        self._per_class[split][name] += 1
        self._gaze_per_class[split][name] += bool(len(record.gaze_x))
        self._per_patient[split][record.patient_id] += 1
        self._per_scanner[split][record.scanner or UNKNOWN_SCANNER] += 1
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
        self._open[split] = tf.io.TFRecordWriter(str(self.folder / name))

    def finish(self, source: Mapping, seed: int | None, require_all_classes: bool) -> None:
        """Close the shards, check the counts and write `dataset.json`, last of all.

        Raises:
            InputError: as of `write_dataset`.
        """
        self.close()
        if not sum(self._frames.values()):
            reasons = "; ".join(f"{n} {reason}" for reason, n in self.refused.items()) or "the source is empty"
            raise InputError(f"no frame was left to write ({reasons})")
        if require_all_classes:
            self._check_classes()
        refuse_spellings(self._patients, "the source", "patients")
        _check_patients({split: dict(count) for split, count in self._per_patient.items()}, "the source")
        info: dict[str, Any] = {
            "format": FORMAT_VERSION,
            "classes": list(self._classes),
            "frame_size": list(self._frame_size),
            **dataclasses.asdict(self._rule),
            "source": dict(source),
            "split_seed": seed,
            "splits": {split: self._split_info(split) for split in SPLITS},
            "refused": {reason: count for reason, count in self.refused.items() if count},
            "notes": dict(self.notes),
        }
        info["checksum"] = checksum_of(info)
        checked(DatasetInfo, info, self.folder / "dataset.json", "correct what is written")
        write_text(self.folder / "dataset.json", json.dumps(info, indent=2, ensure_ascii=False) + "\n")
        if self._pseudonyms is not None:
            self._pseudonyms.save()

    def _split_info(self, split: str) -> dict[str, Any]:
        shards = [self.folder / name for name in self._shards[split]]
        rows = [*self._classes, *(["unlabelled"] if self._per_class[split]["unlabelled"] else [])]
        return {
            "shards": self._shards[split],
            "shard_bytes": [shard.stat().st_size for shard in shards],
            "shard_sha256": [sha256_of_shard(shard) for shard in shards],
            "frames": self._frames[split],
            "recordings": len(self._recordings[split]),
            "patients": len(self._per_patient[split]),
            "frames_per_class": {name: self._per_class[split][name] for name in rows},
            "gaze_frames": sum(self._gaze_per_class[split].values()),
            "gaze_frames_per_class": {name: self._gaze_per_class[split][name] for name in rows},
            "frames_per_scanner": dict(sorted(self._per_scanner[split].items())),
            "frames_per_patient": dict(sorted(self._per_patient[split].items())),
        }

    def close(self) -> None:
        """Close the shard files that are open."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def _check_classes(self) -> None:
        for split in SPLITS:
            missing = [c for c in self._classes if not self._per_class[split][c]]
            # Frames that nobody labelled can still be learned from, and lack no class.
            if missing and self._frames[split] != self._per_class[split]["unlabelled"]:
                there = [c for c in self._classes if c not in missing]
                raise InputError(
                    f"{self._origin}: split {split!r} has no frame of class "
                    f"{', '.join(c + nearest(c, there) for c in missing)}: add patients, change "
                    "the seed or the fractions, or, in a manifest, give each patient a split"
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
    pseudonyms: Pseudonyms | None = None,
    rule: FrameRule = _PADDED,
    origin: str | os.PathLike = "the source",
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
        pseudonyms: replace patient and recording ids by theirs.
        rule: how images became frames; the default is that of prepare.py.
        origin: file or folder that it is made from, for messages.

    Raises:
        InputError: nothing to write, a class missing from a split, a patient in two
            splits or written in two ways, or a folder that can't be written.
    """
    if len(frame_size) != 2 or min(frame_size) < 1:
        raise InputError(f"frame_size must be two numbers of at least 1, not {tuple(frame_size)}")
    for name in classes:
        if name == "unlabelled" or name_fault(name):
            raise InputError(f"class {name!r}: {name_fault(name) or 'stands for frames without a label'}: rename it")
    with whole_folder(path, overwrite=overwrite, marker="dataset.json") as folder:
        writer = DatasetWriter(folder, classes, frame_size, pseudonyms, rule, origin)
        try:
            yield writer
            writer.finish(source, seed, require_all_classes)
        finally:
            writer.close()


def open_dataset(path: str | os.PathLike, *, verify: bool | None = None) -> Dataset:
    """Open a data set and check it: whole, of this format, no patient in two splits.

    Args:
        path: the folder.
        verify: read every shard, compare its checksum, and check and decode every record.
            None: checksums and records, without decoding, of data sets up to `SMALL_BYTES`.
            False: names and sizes of the shards alone.

    Raises:
        InputError: not a data set; names the file, and the field or the record, that is wrong.
    """
    path = Path(path)
    file = path / "dataset.json"
    if path_kind(file) != "file":
        old = set_aside(path)
        aside = f"; an interrupted overwriting left the one before at {old}: move it back" if old else ""
        raise InputError(f"{path}: is not a data set (no dataset.json): make one with prepare.py{aside}")
    content = read_json(file, "the description of a data set", _CURE)
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found != FORMAT_VERSION:
        raise InputError(f"{file}: format {found}, expected {FORMAT_VERSION}: {_CURE}")
    checked(DatasetInfo, content, file, _CURE)
    if content["checksum"] != checksum_of(content):
        raise InputError(f"{file}: its checksum is not that of what it says of the shards: {_CURE}")
    data = Dataset(path, tuple(content["classes"]), tuple(content["frame_size"]), content["checksum"], content)
    patients = {split: content["splits"][split]["frames_per_patient"] for split in SPLITS}
    _check_patients(patients, file)
    refuse_spellings((patient for ids in patients.values() for patient in ids), file, "patients")
    total = _check_sizes(data)
    if verify or (verify is None and total <= SMALL_BYTES):
        _check_content(data, decode=bool(verify))
    return data


@contextmanager
def diagnosed(path: str | os.PathLike) -> Iterator[None]:
    """Name the file and the record where reading a data set fails in the block.

    A large one is not verified when it is opened; TensorFlow's readers then stop at a bad record
    without saying which.

    Raises:
        InputError: naming the shard and the record. An error that is not of the data stays what it is.
    """
    try:
        yield
    except InputError:
        raise
    except (tf.errors.OpError, ValueError):
        open_dataset(path, verify=True)
        raise


def _check_sizes(data: Dataset) -> int:
    """Bytes of all shards, each of which is there and of its size."""
    total = 0
    for split in SPLITS:
        info = data.info["splits"][split]
        for name, size in zip(info["shards"], info["shard_bytes"]):
            shard = data.path / name
            if path_kind(shard) != "file":
                raise InputError(f"{shard}: the shard is missing: {_CURE}")
            if shard.stat().st_size != size:
                raise InputError(f"{shard}: has {shard.stat().st_size} bytes, expected {size}: {_CURE}")
            total += size
    return total


def _check_content(data: Dataset, decode: bool) -> None:
    for split in SPLITS:
        info = data.info["splits"][split]
        shards = [data.path / name for name in info["shards"]]
        for shard, expected in zip(shards, info["shard_sha256"]):
            if sha256_of_shard(shard) != expected:
                raise InputError(f"{shard}: its checksum is wrong, it is damaged or was changed: {_CURE}")
        check_split(shards, classes=data.classes, frame_size=data.frame_size, counts=info, decode=decode)


def _check_patients(patients: Mapping[str, Mapping[str, int]], where: str | Path) -> None:
    seen: dict[str, str] = {}
    for split, ids in patients.items():
        for patient in ids:
            if seen.setdefault(patient, split) != split:
                raise InputError(
                    f"{where}: patient {patient} is in split {seen[patient]!r} and in {split!r}: "
                    "a patient may be in one split only, so give all its recordings the same"
                )
