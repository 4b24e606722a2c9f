"""Real recordings (video, labels, gaze) into a data set: everything is checked, then streamed."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from common.console import track
from common.errors import InputError
from common.files import sha256_of
from common.parallel import core_count, map_in_order
from data.dataset import Dataset, DatasetWriter, open_dataset, write_dataset
from data.duplicates import FrameRegister
from data.names import say_leading_zeros, spelling_key
from data.pseudonyms import open_pseudonyms
from data.sources.clip_frames import ClipCounts, ClipTask, Kept, check_clip, clip_frames, store_clip, stored_frames
from data.sources.config import RecordingsConfig
from data.sources.labels import Interval, class_names, one_class_each, read_intervals, require_labels
from data.sources.manifest import Recording, fixed_splits, read_manifest
from data.splits import KEPT_BACK, check_others, leave_scanner_out, split_patients
from data.video.folder import frame_files

T = TypeVar("T")

LEFT_OUT = "recordings kept back: of a given test, or by another scanner of a patient whom the left-out one showed"
_WORTH_PROCESSES_BYTES = 64 << 20  # below this, starting processes takes longer than they save


def prepare_recordings(config: RecordingsConfig, *, source: Mapping | None = None) -> Dataset:
    """Make a data set of the recordings that a manifest lists.

    Every manifest row, label, video header, box and gaze file is checked before a frame is decoded.

    The frame is the ultrasound image, the manifest's `crop_px`, as `data.video.framing` makes one of
    it. Gaze comes to that image through the manifest's `image_box_px`, its place on the screen;
    without that the whole video picture fills the screen. Then it is normalised to the frame.

    Args:
        config: see `RecordingsConfig`. Patients whose split the manifest gives keep it.
        source: stored in `dataset.json`, over the default kind, manifest and checksum
            (SHA-256 over the bytes of the manifest and of every file that it names).

    Returns:
        The data set, opened.

    Raises:
        InputError: anything wrong with the input, see `data.sources.manifest`, `data.sources.labels`,
            `data.video.read`, `data.gaze.read`; recordings of two patients that show the same
            frames; or with `out`. Nothing is left at `out` then.
    """
    recordings = read_manifest(config.manifest, unlabelled=config.unlabelled)
    intervals = {r.recording_id: read_intervals(r.labels) if r.labels else [] for r in recordings}
    classes, class_of = _classes(recordings, intervals, config)
    fixed, patients = fixed_splits(recordings), {r.patient_id for r in recordings}
    splits = _splits(recordings, config)
    _check_config(config)
    say_leading_zeros(patients, config.manifest)
    about = {"kind": "recordings"} | ({} if config.pseudonymise else {"manifest": Path(config.manifest).name})
    with write_dataset(
        config.out,
        classes=classes,
        frame_size=config.frame_size,
        rule=config.rule,
        source=about,
        seed=None if patients <= set(fixed) else config.seed,
        overwrite=config.overwrite,
        pseudonyms=open_pseudonyms(config.pseudonymise, config.out),
        origin=config.manifest,
    ) as writer:
        index_of = {label: classes.index(name) for label, name in class_of.items()}
        tasks = [
            ClipTask(r, intervals[r.recording_id], config, index_of) for r in _of_split(recordings, splits, config)
        ]
        if len(tasks) < len(recordings):
            writer.note(LEFT_OUT, len(recordings) - len(tasks))
        with tempfile.TemporaryDirectory(prefix="frames-", dir=writer.folder) as store:
            reader = _Reader(config, job_count(config, recordings), Path(store))
            for _ in track(reader.map(check_clip, tasks), "checking recordings", total=len(tasks)):
                pass
            _import(tasks, splits, reader, writer)
        about["checksum"] = _checksum(Path(config.manifest), recordings)
        about.update(source or {})
    return open_dataset(config.out)


def _check_config(config: RecordingsConfig) -> None:
    if Path(config.manifest).resolve().is_relative_to(Path(config.out).resolve()):
        raise InputError(
            f"{config.out}: holds the manifest {config.manifest}: give a folder of its own, as out is written from "
            "scratch"
        )
    if config.engine == "beam":
        from data.sources.beam_engine import check_beam

        check_beam(config.beam_options)


def _splits(recordings: Sequence[Recording], config: RecordingsConfig) -> dict[str, str]:
    """{patient: split}; `KEPT_BACK` where a scanner is left out, for patients of a given test."""
    fixed, test_fraction = fixed_splits(list(recordings)), config.test_fraction
    if config.leave_out_scanner is not None:
        scanners: dict[str, set[str]] = {}
        for recording in recordings:
            scanners.setdefault(recording.patient_id, set()).add(recording.scanner)
        fixed, test_fraction = leave_scanner_out(config.leave_out_scanner, scanners, fixed), 0.0
    splits = split_patients(
        {r.patient_id for r in recordings},
        val_fraction=config.val_fraction,
        test_fraction=test_fraction,
        seed=config.seed,
        fixed=fixed,
        source=config.manifest,
    )
    if config.leave_out_scanner is not None:
        check_others(config.leave_out_scanner, splits.values())
    return splits


def _of_split(
    recordings: Sequence[Recording], splits: Mapping[str, str], config: RecordingsConfig
) -> Iterator[Recording]:
    """Those that go into a split: of the test of one scanner, that scanner's alone."""
    for recording in recordings:
        split = splits[recording.patient_id]
        other = config.leave_out_scanner not in (None, recording.scanner)
        if split != KEPT_BACK and not (split == "test" and other):
            yield recording


def _import(tasks: Sequence[ClipTask], splits: Mapping[str, str], reader: _Reader, writer: DatasetWriter) -> None:
    """Every frame into the writer, in the order of the manifest, whoever decoded it."""
    seen = FrameRegister()
    with contextlib.closing(reader.read(tasks)) as read:  # the processes end before their files go
        for (frames, counts), task in zip(read, tasks):
            recording = task.recording
            for record, digest in frames:
                seen.add(recording.recording_id, recording.patient_id, digest)
                writer.add(splits[recording.patient_id], record)
            seen.close(recording.recording_id, recording.video)
            for reason, count in counts.refused.items():
                writer.refuse(reason, count)
            for what, count in counts.notes.items():
                writer.note(what, count)
    if seen.shared:
        writer.note("frames that recordings of two patients share", seen.shared)
    if seen.within:
        writer.note("recordings that repeat one of the same patient", seen.within)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """What goes through the recordings: this process, processes of this machine, or a Beam pipeline.

    Attributes:
        config: names the engine. jobs: processes of the local one.
        store: folder for what others have read, until it is in the data set.
    """

    config: RecordingsConfig
    jobs: int
    store: Path

    def map(self, function: Callable[[ClipTask], T], tasks: Sequence[ClipTask]) -> Iterator[T]:
        """Results in the order of the tasks; the first error in that order is raised."""
        if self.config.engine == "beam":
            from data.sources.beam_engine import map_by_beam

            return map_by_beam(function, [_anywhere(task) for task in tasks], self.config.beam_options, self.store)
        return map_in_order(function, tasks, self.jobs)

    def read(self, tasks: Sequence[ClipTask]) -> Generator[tuple[Iterator[Kept], ClipCounts], None, None]:
        """The frames of each recording, and its counts, which are whole after the last frame."""
        if self.jobs == 1 and self.config.engine == "local":
            for task in track(tasks, "reading recordings"):
                counts = ClipCounts()
                yield clip_frames(task, counts), counts
            return
        # Frames wait in files, so that memory holds one at a time however long the recordings are.
        stored = [dataclasses.replace(task, store=self.store / f"{number}.clip") for number, task in enumerate(tasks)]
        done = self.map(store_clip, stored)
        for task, counts in zip(stored, track(done, "reading recordings", total=len(tasks))):
            assert task.store is not None
            yield stored_frames(task.store), counts


def _anywhere(task: ClipTask) -> ClipTask:
    """With paths that mean the same in any working directory."""
    recording = task.recording
    paths = {name: value for name in ("video", "labels", "gaze") if (value := getattr(recording, name)) is not None}
    moved = dataclasses.replace(recording, **{name: path.absolute() for name, path in paths.items()})
    return dataclasses.replace(task, recording=moved, store=task.store and task.store.absolute())


def job_count(config: RecordingsConfig, recordings: Sequence[Recording]) -> int:
    """Processes to start: as many as are asked for; else one for each core where there is enough to do for them."""
    if config.jobs is not None:
        return min(config.jobs, len(recordings))
    files = {file for recording in recordings for file in _files(recording)}  # one gaze file may be of all of them
    size = sum(file.stat().st_size for file in files)
    return min(core_count(), len(recordings)) if size >= _WORTH_PROCESSES_BYTES else 1


def _classes(
    recordings: Sequence[Recording], intervals: Mapping[str, list[Interval]], config: RecordingsConfig
) -> tuple[list[str], dict[str, str]]:
    """Class names in order, and {label as found: its class}."""
    labelled = [(r.row, r.label) for r in recordings if r.label is not None]
    labelled += [(i.row, i.label) for each in intervals.values() for i in each]
    if config.classes is None:
        require_labels((label for _, label in labelled), Path(config.manifest))
    elif len({spelling_key(name) for name in config.classes}) != len(config.classes):
        raise InputError(f"classes {' '.join(config.classes)}: a class comes twice: name each once")
    class_of = one_class_each(labelled, config.classes)
    return list(config.classes or class_names(class_of.values())), class_of


def _checksum(manifest: Path, recordings: Sequence[Recording]) -> str:
    return sha256_of([manifest, *(file for recording in recordings for file in _files(recording))])


def _files(recording: Recording) -> list[Path]:
    if recording.video.is_dir():
        video = [file for _, file in frame_files(recording.video)]
    else:
        video = [recording.video]
    return [*video, *(file for file in (recording.labels, recording.gaze) if file is not None)]
