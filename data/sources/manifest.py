"""The recording manifest: a CSV with one row per clip, checked before anything is decoded."""

from __future__ import annotations

import dataclasses
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from common.console import notice
from common.errors import InputError
from common.files import path_kind
from data.names import name_fault, refuse_spellings, say_spellings
from data.splits import SPLITS
from data.tables import Row, nearest, read_table
from data.video.clip import MAX_FPS, MIN_FPS

REQUIRED = ("recording_id", "patient_id", "video")
OPTIONAL = (
    "label",
    "labels",
    "gaze",
    "gaze_recording",
    "gaze_offset_s",
    "screen_width_px",
    "screen_height_px",
    "image_box_px",
    "crop_px",
    "split",
    "fps",
    "scanner",
)
_MAX_SCREEN_PX = 100_000


@dataclasses.dataclass(frozen=True)
class Recording:
    """One clip of the manifest.

    Attributes:
        recording_id, patient_id: names; a recording id comes once.
        video: file, or folder of numbered images.
        label: class of the whole clip, or None.
        labels: CSV of `start_s,end_s,label`, or None.
        gaze: eye-tracker file, or None.
        gaze_recording: which of several recordings in the gaze file is meant (the name of its
            recording, participant, session or medium), or None.
        gaze_offset_s: tracker clock at the video's first frame, s; None if not given, which
            counts as 0.
        screen_px: (width, height) of the screen, or None if not given.
        image_box_px: (x, y, width, height) of the ultrasound image on that screen (with
            `crop_px`, of the crop alone), or None when the video picture fills the screen.
        crop_px: (x, y, width, height) of the ultrasound image in the video, whole pixels
            of the video, or None for all of it. The crop is the frame.
        split: "train", "val", "test", or None to be assigned at random.
        fps: frames per s of a folder of images, or None.
        scanner: the machine, or "".
        row: the manifest's row, to name it in messages.
    """

    recording_id: str
    patient_id: str
    video: Path
    label: str | None
    labels: Path | None
    gaze: Path | None
    gaze_recording: str | None
    gaze_offset_s: float | None
    screen_px: tuple[int, int] | None
    image_box_px: tuple[float, float, float, float] | None
    crop_px: tuple[int, int, int, int] | None
    split: str | None
    fps: float | None
    scanner: str
    row: Row = dataclasses.field(repr=False, compare=False)


def read_manifest(path: str | os.PathLike, *, unlabelled: bool = False) -> list[Recording]:
    """Read and check a recording manifest.

    Columns: `recording_id`, `patient_id`, `video`, and `label` (class of the whole clip) or
    `labels` (CSV of intervals); optional `gaze`, `gaze_recording`, `gaze_offset_s`, `screen_width_px`,
    `screen_height_px`, `image_box_px` and `crop_px` (each `x,y,width,height` in quotes),
    `split`, `fps`, `scanner`. Paths are relative to the manifest.

    Args:
        path: the CSV.
        unlabelled: allow rows with neither `label` nor `labels`.

    Raises:
        InputError: names the file, the line and the column.
    """
    path = Path(path)
    rows = read_table(path, required=REQUIRED, optional=OPTIONAL, what="the recording manifest")
    recordings = [_recording(row, unlabelled) for row in rows]
    _check_unique(recordings)
    scanner = say_spellings((r.scanner for r in recordings), f"{path}: column scanner", "machines")
    recordings = [dataclasses.replace(r, scanner=scanner[r.scanner]) for r in recordings]
    _check_videos(recordings)
    _say_shared_gaze(recordings)
    _check_splits(recordings)
    return recordings


def fixed_splits(recordings: list[Recording]) -> dict[str, str]:
    """{patient id: split} of the patients whose split the manifest gives."""
    return {r.patient_id: r.split for r in recordings if r.split is not None}


def _recording(row: Row, unlabelled: bool) -> Recording:
    row.text("recording_id"), row.text("patient_id")
    recording_id, patient_id = _name(row, "recording_id"), _name(row, "patient_id")
    label, labels = _name(row, "label") or None, _path(row, "labels")
    if label and labels:
        raise row.error("label", f"{label!r} is given and labels too", "give label or labels, not both")
    if not label and not labels and not unlabelled:
        raise row.error("label", "neither label nor labels is given", "give one of them")
    split = row.cells.get("split") or None
    if split is not None and split not in SPLITS:
        raise row.error(
            "split", f"{split!r} is no split{nearest(split, SPLITS)}", f"use {', '.join(SPLITS)} or nothing"
        )
    fps = row.number("fps")
    if fps is not None and not MIN_FPS <= fps <= MAX_FPS:
        found = f"{fps:g} is not above 0" if fps <= 0 else f"{fps:g} is not from {MIN_FPS:g} to {MAX_FPS:g}"
        raise row.error("fps", found, "give the frames per second")
    video = _path(row, "video")
    if video is None:
        raise row.error("video", "is empty", "fill it in")
    screen_px = _screen(row)
    image_box_px = _box(row, "image_box_px")
    if image_box_px and screen_px:
        check_box(row, "image_box_px", image_box_px, screen_px, "screen")
    return Recording(
        recording_id=recording_id,
        patient_id=patient_id,
        video=video,
        label=label,
        labels=labels,
        gaze=_path(row, "gaze"),
        gaze_recording=row.cells.get("gaze_recording") or None,
        gaze_offset_s=row.number("gaze_offset_s"),
        screen_px=screen_px,
        image_box_px=image_box_px,
        crop_px=_whole_box(row, "crop_px"),
        split=split,
        fps=fps,
        scanner=_name(row, "scanner"),
        row=row,
    )


def _name(row: Row, column: str) -> str:
    """A cell that is a name, or ""; one that can't be shown or stored is refused."""
    value = row.cells.get(column, "")
    if fault := name_fault(value):
        raise row.error(column, fault, "correct it")
    return value


def check_box(row: Row, column: str, box: Sequence[float], inside_px: tuple[int, int], what: str) -> None:
    """Refuse a box (x, y, width, height) that reaches out of `inside_px` (width, height).

    Raises:
        InputError: naming the row and the column.
    """
    x, y, width, height = box
    if x < 0 or y < 0 or x + width > inside_px[0] or y + height > inside_px[1]:
        raise row.error(
            column,
            f"the box {x:g},{y:g},{width:g},{height:g} is partly outside the {what} of "
            f"{inside_px[0]}x{inside_px[1]} pixels",
            "correct the box (x,y,width,height)",
        )


def _path(row: Row, column: str) -> Path | None:
    value = row.cells.get(column)
    if not value:
        return None
    path = row.file.parent / value
    try:
        kind = path_kind(path)
    except InputError as error:
        raise row.error(column, str(error), "correct the path, which is relative to the manifest") from error
    if kind is None:
        raise row.error(
            column,
            f"there is no {path}{_written_otherwise(path)}",
            "correct the path, which is relative to the manifest",
        )
    if column != "video" and kind == "folder":
        raise row.error(column, f"{path} is a folder", "name a file")
    return path


def _written_otherwise(path: Path) -> str:
    """That a file beside `path` has a name that looks the same: letters with their accents apart, say; or ""."""
    if not path.parent.is_dir():
        return ""
    same = unicodedata.normalize("NFC", path.name)
    found = any(unicodedata.normalize("NFC", other.name) == same for other in path.parent.iterdir())
    return "; a file there has a name that looks the same, and writes its accents in another way" if found else ""


def _screen(row: Row) -> tuple[int, int] | None:
    columns = ("screen_width_px", "screen_height_px")
    width, height = values = [row.number(column) for column in columns]
    for column, value in zip(columns, values):
        if value is not None and (not 0 < value <= _MAX_SCREEN_PX or value != int(value)):
            raise row.error(
                column, f"{value:g} is no number of pixels", f"give a whole number from 1 to {_MAX_SCREEN_PX}"
            )
    if width is None and height is None:
        return None
    if width is None or height is None:
        empty = columns[0] if width is None else columns[1]
        raise row.error(empty, "is empty while the other side is given", f"give both {' and '.join(columns)}")
    return int(width), int(height)


def _box(row: Row, column: str) -> tuple[float, float, float, float] | None:
    value = row.cells.get(column)
    if not value:
        return None
    if not re.fullmatch(r"\s*[0-9]{1,6}(\.[0-9]+)?(\s*,\s*[0-9]{1,6}(\.[0-9]+)?){3}\s*", value):
        raise row.error(column, f"{value!r} is no box", 'give x,y,width,height in pixels, like "0,0,640,480"')
    x, y, width, height = (float(number) for number in value.split(","))
    if width <= 0 or height <= 0:
        raise row.error(column, f"{value!r} has no area", "give a width and a height above 0")
    return x, y, width, height


def _whole_box(row: Row, column: str) -> tuple[int, int, int, int] | None:
    box = _box(row, column)
    if box is None:
        return None
    if any(number != int(number) for number in box):
        raise row.error(column, f"{row.cells[column]!r} has parts of pixels", "give whole pixels")
    x, y, width, height = (int(number) for number in box)
    return x, y, width, height


def _check_unique(recordings: list[Recording]) -> None:
    """Recording ids come once, and no patient is written in two ways."""
    refuse_spellings((r.patient_id for r in recordings), f"{recordings[0].row.file}: column patient_id", "patients")
    refuse_spellings(
        (r.recording_id for r in recordings), f"{recordings[0].row.file}: column recording_id", "recordings"
    )
    lines: dict[str, int] = {}
    for recording in recordings:
        name, row = recording.recording_id, recording.row
        if lines.setdefault(name, row.line) != row.line:
            raise row.error("recording_id", f"{name!r} was in line {lines[name]} too", "give each clip its own id")


def _check_videos(recordings: list[Recording]) -> None:
    """One video of two patients would let a patient into two splits under two names."""
    seen: dict[Path, Recording] = {}
    for recording in recordings:
        first = seen.setdefault(recording.video.resolve(), recording)
        if first.patient_id != recording.patient_id:
            raise recording.row.error(
                "video",
                f"{recording.video} is of patient {recording.patient_id}, "
                f"in line {first.row.line} of patient {first.patient_id}",
                "correct patient_id or video",
            )


def _say_shared_gaze(recordings: list[Recording]) -> None:
    """A row that was copied with its gaze: the same looks, from the same moment on, on two videos."""
    seen: dict[tuple, Recording] = {}
    for recording in recordings:
        if recording.gaze is None:
            continue
        looks = (recording.gaze.resolve(), recording.gaze_recording, recording.gaze_offset_s)
        first = seen.setdefault(looks, recording)
        if first.video.resolve() != recording.video.resolve():
            notice(
                f"{recording.row.file}: line {recording.row.line}, column gaze: {recording.gaze} from the same moment "
                f"on goes with another video in line {first.row.line}: correct gaze, gaze_recording or gaze_offset_s"
            )


def _check_splits(recordings: list[Recording]) -> None:
    seen: dict[str, Recording] = {}
    for recording in recordings:
        if recording.split is None:
            continue
        first = seen.setdefault(recording.patient_id, recording)
        if first.split != recording.split:
            raise recording.row.error(
                "split",
                f"{recording.split!r}, but patient {recording.patient_id} is in {first.split!r} "
                f"in line {first.row.line}",
                "a patient may be in one split only, so give all its recordings the same",
            )
