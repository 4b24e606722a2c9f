"""One recording to its frames: a pure function of its files, without TensorFlow, so that processes share the work."""

from __future__ import annotations

import dataclasses
import os
import pickle
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from common.console import notice
from common.errors import InputError
from data.duplicates import frame_digest
from data.frame_record import UNLABELLED, FrameRecord
from data.frames import encode_png
from data.gaze.alignment import FrameGaze, gaze_for_frames
from data.gaze.formats.fixations import STEP_S
from data.gaze.read import GazeRecording, read_gaze
from data.sources.config import RecordingsConfig
from data.sources.labels import Interval, check_within, frame_labels
from data.sources.manifest import Recording, check_box
from data.video.clip import Video
from data.video.fan import Fan, find_fan
from data.video.framing import place_image, prepare_image
from data.video.read import open_video

# `data.report` and the reports of runs repeat what begins with this word.
NO_OFFSET = "warning: recordings with gaze whose gaze_offset_s is empty (taken as 0)"
NO_BOX = "warning: recordings with gaze whose image_box_px is empty (the picture is taken to fill the screen)"
ALL_OFF_IMAGE = "warning: recordings whose gaze never falls on the image (check image_box_px and gaze_offset_s)"
OUTSIDE_LABELS = "frames outside every label interval"
CONSTANT = "frames of one constant value"
LATE_VIDEO = "warning: recordings whose video begins after their sound (times count from the first frame)"
SHORT_FRAMES = "warning: recordings of fixations with over 100 frames per s (a sample every 10 ms: not all get gaze)"
# Sound begins up to a few hundredths of a second early, by the codec's padding.
_EARLY_SOUND_S = 0.05
FAN_KEPT = "warning: recordings whose fan was not found, kept whole"
_FAN_FRAMES = 16


@dataclasses.dataclass(frozen=True)
class ClipTask:
    """A recording and what is wanted of it.

    Attributes:
        recording, intervals: of the manifest, and of its labels.
        config: of the preparation.
        index_of: {label as the recording has it: index of its class}.
        store: file that takes the frames, where another process reads them.
    """

    recording: Recording
    intervals: list[Interval]
    config: RecordingsConfig
    index_of: Mapping[str, int]
    store: Path | None = None


@dataclasses.dataclass
class ClipCounts:
    """What is counted while a recording is read: what was left out, by reason, and what gives a notice."""

    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    notes: Counter[str] = dataclasses.field(default_factory=Counter)


Kept = tuple[FrameRecord, bytes]


def check_clip(task: ClipTask) -> None:
    """Open and check everything of one recording, without decoding.

    Raises:
        InputError: names the file, or the manifest's line and column.
    """
    _frame_gaze(task.recording, _open(task), ClipCounts())


def clip_frames(task: ClipTask, counts: ClipCounts) -> Iterator[Kept]:
    """Decode one recording: each frame that is wanted, as a PNG, with the digest of its pixels.

    Args:
        task: what is read. counts: filled by the time that the last frame has come.

    Raises:
        InputError: a frame that can't be decoded, or a clip of constant frames.
    """
    recording, config = task.recording, task.config
    video = _open(task)
    _note_start(recording, video, counts)
    gaze = _frame_gaze(recording, video, counts)
    labels = frame_labels(recording, task.intervals, video.times_s)
    wanted = keep_frames(video.times_s, config.fps)
    x, y, width, height = recording.crop_px or (0, 0, *video.size)
    rule = (config.frame_size, config.fit, config.pixel_aspect)
    place = place_image((height, width), *rule)
    fan = _sure_fan(video, (x, y, width, height), counts) if config.fan == "blank" else None
    mask, marks = (None, None) if fan is None else (fan.mask, fan.marks)
    without_label = config.transitions if recording.labels is not None else config.unlabelled
    seen = 0
    for index, time_s, whole in video:
        if not wanted[index]:
            continue
        label = labels[index]
        if label is None and not without_label:
            counts.refused[OUTSIDE_LABELS] += 1
            continue
        seen += 1
        image = whole[y : y + height, x : x + width]
        if image.min() == image.max():
            counts.refused[CONSTANT] += 1
            continue
        gaze_x, gaze_y = place.to_frame(gaze.x[index], gaze.y[index]) if gaze is not None else ((), ())
        frame = prepare_image(image, *rule, mask=mask, marks=marks)
        record = FrameRecord(
            frame=encode_png(frame),
            label=UNLABELLED if label is None else task.index_of[label],
            recording_id=recording.recording_id,
            patient_id=recording.patient_id,
            frame_index=index,
            time_s=time_s,
            gaze_x=np.asarray(gaze_x).tolist(),
            gaze_y=np.asarray(gaze_y).tolist(),
            scanner=recording.scanner,
        )
        yield record, frame_digest(frame)
    if seen and counts.refused[CONSTANT] == seen:
        raise InputError(
            f"{recording.video}: every frame has one constant value (recording {recording.recording_id}): "
            "export the video again, or correct crop_px"
        )
    if config.fps is not None:
        counts.notes[f"frames between the ticks of {config.fps:g} frames per s"] += int(np.sum(~wanted))
    _note_gaze(recording, gaze, counts)


def store_clip(task: ClipTask) -> ClipCounts:
    """`clip_frames` into the task's file; `stored_frames` reads them.

    Raises:
        InputError: as of `clip_frames`.
        ValueError: the task names no file.
    """
    if task.store is None:
        raise ValueError("task.store is None, and names no file")
    counts = ClipCounts()
    # Whoever runs this may run it twice at once: the file is renamed when it is whole.
    part = task.store.with_name(f"{task.store.name}.{uuid.uuid4().hex}")
    with part.open("wb") as stream:
        for kept in clip_frames(task, counts):
            pickle.dump(kept, stream, pickle.HIGHEST_PROTOCOL)
    part.replace(task.store)
    return counts


def stored_frames(store: Path) -> Iterator[Kept]:
    """The frames of a file that `store_clip` wrote in this run; the file is removed after the last one."""
    size = os.path.getsize(store)
    with store.open("rb") as stream:
        while stream.tell() < size:
            yield pickle.load(stream)
    store.unlink()


def fan_pictures(video: Video, crop: tuple[int, int, int, int]) -> list[np.ndarray]:
    """What the fan of a clip is found from: the crop of frames spread over it, uint8 [h, w] each; decodes the clip."""
    x, y, width, height = crop
    chosen = set(np.linspace(0, len(video) - 1, _FAN_FRAMES).round().astype(int).tolist())
    return [whole[y : y + height, x : x + width] for index, _, whole in video if index in chosen]


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


def _open(task: ClipTask) -> Video:
    recording = task.recording
    video = open_video(recording.video, recording.fps)
    if recording.crop_px is not None:
        check_box(recording.row, "crop_px", recording.crop_px, video.size, f"video {recording.video}")
    frame_s = video.duration_s - float(video.times_s[-1])
    check_within(task.intervals, video.duration_s, frame_s + 1e-6, recording.video)
    return video


def read_clip_gaze(recording: Recording, video: Video) -> tuple[GazeRecording, FrameGaze] | None:
    """A recording's gaze on its screen and on the frames of its video, as the manifest's row says; None without any.

    Raises:
        InputError: as of `read_gaze` and `gaze_for_frames`.
    """
    if recording.gaze is None:
        return None
    gaze = read_gaze(
        recording.gaze,
        recording.screen_px,
        gaze_recording=recording.gaze_recording,
        clock_known=recording.gaze_offset_s is not None,
    )
    return gaze, gaze_for_frames(
        gaze,
        video.times_s,
        video_px=video.size,
        image_box_px=recording.image_box_px,
        crop_px=recording.crop_px,
        gaze_offset_s=recording.gaze_offset_s or 0.0,
        last_frame_duration_s=video.last_frame_s,
    )


def _frame_gaze(recording: Recording, video: Video, counts: ClipCounts) -> FrameGaze | None:
    if (found := read_clip_gaze(recording, video)) is None:
        return None
    gaze, on_frames = found
    if gaze.fixations and len(video) > 1 and np.median(np.diff(video.times_s)) < 0.99 * STEP_S:
        counts.notes[SHORT_FRAMES] += 1
    return on_frames


def _note_start(recording: Recording, video: Video, counts: ClipCounts) -> None:
    """Say by how much a player's times are off, where labels or gaze were given in any."""
    timed = recording.labels is not None or recording.gaze is not None
    if timed and video.starts_s > _EARLY_SOUND_S:
        counts.notes[LATE_VIDEO] += 1
        notice(
            f"{video.path}: its video begins {video.starts_s:.3f} s after its sound: labels and gaze_offset_s count "
            "from the first frame, so subtract it from times that a player showed"
        )


def _sure_fan(video: Video, crop: tuple[int, int, int, int], counts: ClipCounts) -> Fan | None:
    """The fan in the crop; None where it is unsure."""
    fan = find_fan(fan_pictures(video, crop))
    if not fan.sure:
        counts.notes[FAN_KEPT] += 1
        return None
    counts.notes["recordings whose surroundings of the fan were blanked"] += 1
    return fan


def _note_gaze(recording: Recording, gaze: FrameGaze | None, counts: ClipCounts) -> None:
    if gaze is None:
        counts.notes["recordings without gaze"] += 1
        return
    counts.notes["recordings with gaze"] += 1
    if recording.gaze_offset_s is None:
        counts.notes[NO_OFFSET] += 1
    if recording.image_box_px is None:
        counts.notes[NO_BOX] += 1
    if gaze.off_image == gaze.valid + gaze.interpolated:
        counts.notes[ALL_OFF_IMAGE] += 1
    for name, count in gaze.counts.items():
        counts.notes[f"gaze: {name.replace('_', ' ')}"] += count
