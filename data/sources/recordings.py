"""Real recordings (video, labels, gaze) into a data set: everything is checked, then streamed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from common.console import track
from common.errors import InputError
from common.files import sha256_of
from data.dataset import UNLABELLED, Dataset, DatasetWriter, FrameRecord, open_dataset, write_dataset
from data.frames import resize_frame
from data.gaze.alignment import FrameGaze, gaze_for_frames
from data.gaze.read import read_gaze
from data.sources.labels import (
    Interval,
    check_class,
    check_within,
    class_names,
    frame_labels,
    read_intervals,
    require_labels,
)
from data.sources.manifest import Recording, check_box, fixed_splits, read_manifest
from data.splits import split_patients
from data.video.read import Video, frame_files, open_video

OUTSIDE_LABELS = "frames outside every label interval"
CONSTANT = "frames of one constant value"


def prepare_recordings(
    manifest: str | os.PathLike,
    out: str | os.PathLike,
    *,
    frame_size: tuple[int, int] = (224, 288),
    fps: float | None = None,
    classes: Sequence[str] | None = None,
    val_fraction: float = 0.15,
    test_fraction: float = 0.2,
    seed: int = 0,
    overwrite: bool = False,
    source: dict | None = None,
    unlabelled: bool = False,
) -> Dataset:
    """Make a data set of the recordings that a manifest lists.

    Every manifest row, label, video header, box and gaze file is checked before the
    first frame is decoded; then the videos are decoded once, one frame in memory.

    Args:
        manifest: CSV as `data.sources.manifest.read_manifest` describes it.
        out: the folder to make.
        frame_size: (H, W), pixels. The frame is the ultrasound image: the manifest's
            `crop_px`, resized to it by area; its aspect ratio is not kept. Gaze is
            normalised to that image through the manifest's `image_box_px`, its place on the
            screen; without that the whole video picture fills the screen.
        fps: frames per s to keep: the frame nearest to each tick, with its own time.
            None keeps all.
        classes: class names in the order of their indices; a label that is none of
            them is an error. None: all labels found, as `data.sources.labels.class_names` orders.
        val_fraction, test_fraction, seed: of the split by patient; patients whose split
            the manifest gives keep it.
        overwrite: replace `out` if it exists.
        source: stored in `dataset.json`, over the default kind, manifest and checksum
            (SHA-256 over the bytes of the manifest and of every file that it names).
        unlabelled: keep recordings without any label and frames outside every label
            interval, with the label -1; otherwise the first is an error and the second is
            left out and counted.

    Returns:
        The data set, opened.

    Raises:
        InputError: anything wrong with the input, see `data.sources.manifest`, `data.sources.labels`,
            `data.video.read`, `data.gaze.read`; or with `out`. Nothing is left at `out` then.
    """
    manifest = Path(manifest)
    _check_numbers(frame_size, fps)
    recordings = read_manifest(manifest, unlabelled=unlabelled)
    intervals = {r.recording_id: read_intervals(r.labels) if r.labels else [] for r in recordings}
    classes = _classes(recordings, intervals, classes, manifest, unlabelled)
    fixed = fixed_splits(recordings)
    patients = {r.patient_id for r in recordings}
    splits = split_patients(patients, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed, fixed=fixed)
    if manifest.resolve().is_relative_to(Path(out).resolve()):
        raise InputError(f"{out}: holds the manifest {manifest}: give a folder of its own, as --out is written anew")
    about = {"kind": "recordings", "manifest": manifest.name}
    with write_dataset(
        out,
        classes=classes,
        frame_size=frame_size,
        source=about,
        seed=None if patients <= set(fixed) else seed,
        overwrite=overwrite,
        require_all_classes=True,
    ) as writer:
        clips = [_survey(r, intervals[r.recording_id]) for r in track(recordings, "checking recordings")]
        for clip in track(clips, "reading recordings"):
            _write(clip, splits[clip.recording.patient_id], classes, frame_size, fps, unlabelled, writer)
        about["checksum"] = _checksum(manifest, recordings)
        about.update(source or {})
    return open_dataset(out)


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


def _write(clip: _Clip, split: str, classes, frame_size, fps: float | None, unlabelled: bool, writer) -> None:
    recording, video = clip.recording, clip.video
    gaze = _frame_gaze(recording, video)
    labels = frame_labels(recording, clip.intervals, video.times_s)
    wanted = keep_frames(video.times_s, fps)
    x, y, width, height = recording.crop_px or (0, 0, *video.size)
    seen = constant = 0
    for index, time_s, frame in video:
        if not wanted[index]:
            continue
        if labels[index] is None and not unlabelled:
            writer.refuse(OUTSIDE_LABELS)
            continue
        seen += 1
        frame = frame[y : y + height, x : x + width]
        if frame.min() == frame.max():
            constant += 1
            continue
        gaze_x, gaze_y = (gaze.x[index], gaze.y[index]) if gaze is not None else ((), ())
        record = FrameRecord(
            frame=resize_frame(frame, frame_size),
            label=UNLABELLED if labels[index] is None else classes.index(labels[index]),
            recording_id=recording.recording_id,
            patient_id=recording.patient_id,
            frame_index=index,
            time_s=time_s,
            gaze_x=gaze_x,
            gaze_y=gaze_y,
        )
        writer.add(split, record)
    if seen and constant == seen:
        raise InputError(
            f"{recording.video}: every frame has one constant value (recording {recording.recording_id}): "
            "export the video again, or correct crop_px"
        )
    if constant:
        writer.refuse(CONSTANT, constant)
    if fps is not None:
        writer.note(f"frames between the ticks of {fps:g} frames per s", int(np.sum(~wanted)))
    _note_gaze(gaze, writer)


def keep_frames(times_s: np.ndarray, fps: float | None) -> np.ndarray:
    """Which frames to keep for a rate: bool [n], the nearest to each tick k / fps (the earlier of two).

    Args:
        times_s: float64 [n], ascending, the first 0.
        fps: frames per s, or None to keep all.
    """
    if fps is None:
        return np.ones(len(times_s), dtype=bool)
    ticks = np.arange(int(np.floor(times_s[-1] * fps + 1e-6)) + 1) / fps
    after = np.searchsorted(times_s, ticks).clip(max=len(times_s) - 1)
    before = (after - 1).clip(min=0)
    # Within a microsecond it is a tie: which is nearer must not hang on the rounding of floats.
    earlier = ticks - times_s[before] <= times_s[after] - ticks + 1e-6
    keep = np.zeros(len(times_s), dtype=bool)
    keep[np.where(earlier, before, after)] = True
    return keep


def _note_gaze(gaze: FrameGaze | None, writer: DatasetWriter) -> None:
    if gaze is None:
        writer.note("recordings without gaze")
        return
    writer.note("recordings with gaze")
    for name, count in gaze.counts.items():
        writer.note(f"gaze: {name.replace('_', ' ')}", count)


def _classes(recordings, intervals, classes, manifest: Path, unlabelled: bool) -> list[str]:
    labelled = [(r.row, r.label) for r in recordings if r.label is not None]
    labelled += [(i.row, i.label) for each in intervals.values() for i in each]
    if classes is None:
        require_labels((label for _, label in labelled), manifest)
        return class_names(label for _, label in labelled)
    if len(set(classes)) != len(classes):
        raise InputError(f"--classes {' '.join(classes)}: a class comes twice: name each once")
    for row, label in labelled:
        check_class(row, label, classes)
    return list(classes)


def _check_numbers(frame_size: Iterable[int], fps: float | None) -> None:
    height, width = frame_size
    if height < 1 or width < 1:
        raise InputError(f"--frame-size {height} {width}: height and width must be above 0")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise InputError(f"--fps {fps:g}: must be above 0")


def _checksum(manifest: Path, recordings: Sequence[Recording]) -> str:
    return sha256_of([manifest, *(file for recording in recordings for file in _files(recording))])


def _files(recording: Recording) -> list[Path]:
    if recording.video.is_dir():
        video = [file for _, file in frame_files(recording.video)]
    else:
        video = [recording.video]
    return [*video, *(file for file in (recording.labels, recording.gaze) if file is not None)]
