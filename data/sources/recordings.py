"""Real recordings (video, labels, gaze) into a data set: everything is checked, then streamed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.console import notice, track
from common.errors import InputError
from common.files import sha256_of
from data.dataset import UNLABELLED, Dataset, DatasetWriter, FrameRecord, open_dataset, write_dataset
from data.duplicates import FrameRegister
from data.gaze.alignment import FrameGaze, gaze_for_frames
from data.gaze.read import read_gaze
from data.names import leading_zero_groups, spelling_key
from data.pseudonyms import open_pseudonyms
from data.sources.config import RecordingsConfig
from data.sources.labels import (
    Interval,
    check_within,
    class_names,
    frame_labels,
    one_class_each,
    read_intervals,
    require_labels,
)
from data.sources.manifest import Recording, check_box, fixed_splits, read_manifest
from data.splits import split_patients
from data.video.clip import Video
from data.video.folder import frame_files
from data.video.framing import place_image, prepare_image
from data.video.read import open_video

# `data.report` and the reports of runs repeat what begins with this word.
NO_OFFSET = "warning: recordings with gaze whose gaze_offset_s is empty (taken as 0)"
NO_BOX = "warning: recordings with gaze whose image_box_px is empty (the picture is taken to fill the screen)"
OUTSIDE_LABELS = "frames outside every label interval"
CONSTANT = "frames of one constant value"


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
    fixed = fixed_splits(recordings)
    patients = {r.patient_id for r in recordings}
    splits = split_patients(
        patients,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
        fixed=fixed,
    )
    if Path(config.manifest).resolve().is_relative_to(Path(config.out).resolve()):
        raise InputError(
            f"{config.out}: holds the manifest {config.manifest}: give a folder of its own, as out is written from "
            "scratch"
        )
    for group in leading_zero_groups(patients):
        notice(f"{config.manifest}: patients {', '.join(sorted(group))} differ only in leading zeros: are they one?")
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
    ) as writer:
        clips = [_survey(r, intervals[r.recording_id]) for r in track(recordings, "checking recordings")]
        import_clips = _Import(config, classes, class_of, writer)
        for clip in track(clips, "reading recordings"):
            import_clips.add(clip, splits[clip.recording.patient_id])
        import_clips.finish()
        about["checksum"] = _checksum(Path(config.manifest), recordings)
        about.update(source or {})
    return open_dataset(config.out)


@dataclasses.dataclass(frozen=True)
class _Clip:
    recording: Recording
    intervals: list[Interval]
    video: Video


def _survey(recording: Recording, intervals: list[Interval]) -> _Clip:
    """Open and check everything of one recording, without decoding."""
    video = open_video(recording.video, recording.fps)
    if recording.crop_px is not None:
        check_box(recording.row, "crop_px", recording.crop_px, video.size, f"video {recording.video}")
    frame_s = video.duration_s - float(video.times_s[-1])
    check_within(intervals, video.duration_s, frame_s + 1e-6, recording.video)
    # Read again when the frames are: points of many long sessions would fill the memory.
    _frame_gaze(recording, video)
    return _Clip(recording, intervals, video)


def _frame_gaze(recording: Recording, video: Video) -> FrameGaze | None:
    if recording.gaze is None:
        return None
    return gaze_for_frames(
        read_gaze(
            recording.gaze,
            screen_px=recording.screen_px,
            gaze_recording=recording.gaze_recording,
            clock_known=recording.gaze_offset_s is not None,
        ),
        video.times_s,
        video_px=video.size,
        image_box_px=recording.image_box_px,
        crop_px=recording.crop_px,
        gaze_offset_s=recording.gaze_offset_s or 0.0,
        # One image stays for as long as somebody looked at it.
        last_frame_duration_s=video.duration_s - float(video.times_s[-1]) or None,
    )


class _Import:
    """Decodes clips into the writer, and watches for frames that two recordings share."""

    def __init__(
        self, config: RecordingsConfig, classes: Sequence[str], class_of: Mapping[str, str], writer: DatasetWriter
    ):
        self._config, self._writer = config, writer
        self._index = {label: list(classes).index(name) for label, name in class_of.items()}
        self._seen = FrameRegister()

    def add(self, clip: _Clip, split: str) -> None:
        """Decode one clip and write the frames that are wanted."""
        recording, video, writer = clip.recording, clip.video, self._writer
        gaze = _frame_gaze(recording, video)
        labels = frame_labels(recording, clip.intervals, video.times_s)
        wanted = keep_frames(video.times_s, self._config.fps)
        x, y, width, height = recording.crop_px or (0, 0, *video.size)
        rule = (self._config.frame_size, self._config.fit, self._config.pixel_aspect)
        place = place_image((height, width), *rule)
        seen = constant = 0
        for index, time_s, whole in video:
            if not wanted[index]:
                continue
            label = labels[index]
            if label is None and not self._without_label(recording):
                writer.refuse(OUTSIDE_LABELS)
                continue
            seen += 1
            frame = whole[y : y + height, x : x + width]
            if frame.min() == frame.max():
                constant += 1
                continue
            self._seen.add(recording.recording_id, recording.patient_id, frame)
            gaze_x, gaze_y = place.to_frame(gaze.x[index], gaze.y[index]) if gaze is not None else ((), ())
            record = FrameRecord(
                frame=prepare_image(frame, *rule),
                label=UNLABELLED if label is None else self._index[label],
                recording_id=recording.recording_id,
                patient_id=recording.patient_id,
                frame_index=index,
                time_s=time_s,
                gaze_x=np.asarray(gaze_x).tolist(),
                gaze_y=np.asarray(gaze_y).tolist(),
                scanner=recording.scanner,
            )
            writer.add(split, record)
        if seen and constant == seen:
            raise InputError(
                f"{recording.video}: every frame has one constant value (recording {recording.recording_id}): "
                "export the video again, or correct crop_px"
            )
        self._seen.close(recording.recording_id, recording.video)
        if constant:
            writer.refuse(CONSTANT, constant)
        if self._config.fps is not None:
            writer.note(f"frames between the ticks of {self._config.fps:g} frames per s", int(np.sum(~wanted)))
        _note_gaze(recording, gaze, writer)

    def finish(self) -> None:
        """Note what recordings have in common."""
        if self._seen.shared:
            self._writer.note("frames that recordings of two patients share", self._seen.shared)
        if self._seen.within:
            self._writer.note("recordings that repeat one of the same patient", self._seen.within)

    def _without_label(self, recording: Recording) -> bool:
        """Whether frames of this recording that have no label are kept."""
        return self._config.transitions if recording.labels is not None else self._config.unlabelled


def keep_frames(times_s: np.ndarray, fps: float | None) -> np.ndarray:
    """Which frames to keep for a rate: bool [n], the nearest to each tick k / fps (the earlier of two).

    Args:
        times_s: float64 [n], ascending, the first 0.
        fps: frames per s, or None to keep all.
    """
    if fps is None:
        return np.ones(len(times_s), dtype=bool)
    # Frame i is nearest to the ticks up to half-way to the next frame. Within a microsecond it
    # is a tie: which is nearer must not hang on the rounding of floats.
    half_way = (times_s[:-1] + times_s[1:]) / 2 + 0.5e-6
    last = np.floor(np.append(np.minimum(half_way, times_s[-1] + 1e-6 / fps), times_s[-1] + 1e-6 / fps) * fps)
    return np.diff(last, prepend=-1) > 0


def _note_gaze(recording: Recording, gaze: FrameGaze | None, writer: DatasetWriter) -> None:
    if gaze is None:
        writer.note("recordings without gaze")
        return
    writer.note("recordings with gaze")
    if recording.gaze_offset_s is None:
        writer.note(NO_OFFSET)
    if recording.image_box_px is None:
        writer.note(NO_BOX)
    for name, count in gaze.counts.items():
        writer.note(f"gaze: {name.replace('_', ' ')}", count)


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
