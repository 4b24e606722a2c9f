"""A folder of numbered images as a clip."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.video.clip import Video, check_fps
from data.video.images import IMAGE_SUFFIXES, check_range, read_with_peak

DEFAULT_FPS = 30.0
_NUMBER = re.compile(r"[0-9]+")
_MOST_DIGITS = 15
# Numbers from here on are a clock: seconds, ms or us since 1970.
_CLOCK = 10**9
# A day and a time of day up to its seconds; 00:... is left out, since 0001 behind a day is a frame.
_DAY_TIME = re.compile(
    r"(?<!\d)(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d\D{0,4}(?:0[1-9]|1\d|2[0-3])[-_.:h]?[0-5]\d[-_.:m]?[0-5]\d$"
)
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_RENAME = "rename them like 0001.png, 0002.png, with the frame number as the one number that changes"


def open_folder(folder: Path, fps: float | None) -> Video:
    """Open a folder of numbered images; a gap in the numbers is a gap in time.

    Args:
        folder: of images of one kind.
        fps: frames per s; None for 30.

    Raises:
        InputError: as `frame_files`; an impossible rate; an image that is no single picture.
    """
    fps = DEFAULT_FPS if fps is None else fps
    check_fps(folder, fps)
    numbered = frame_files(folder)
    height, width = read_with_peak(numbered[0][1])[0].shape
    first = numbered[0][0]
    times_s = np.array([(number - first) / fps for number, _ in numbered], dtype=np.float64)

    def decode() -> Iterator[np.ndarray]:
        highest = -1
        for _, file in numbered:
            frame, peak = read_with_peak(file)
            highest = max(highest, peak)
            yield frame
        check_range(folder, highest, 65535)

    return Video(folder, (width, height), times_s, float(times_s[-1]) + 1 / fps, decode)


def frame_files(folder: Path) -> list[tuple[int, Path]]:
    """(frame number, file) of each image in a folder, by number.

    Names differ in one number, the frame's; hidden files and those that are no image
    (tables, notes) are not looked at.

    Raises:
        InputError: no image, images of several kinds, names of several patterns or in which
            several numbers change, a number that is a time, or one that comes twice.
    """
    files = _images(folder)
    if len(files) == 1:
        digits = _NUMBER.findall(files[0].stem)
        if not digits:
            raise InputError(f"{files[0]}: the name has no frame number: rename it like 0001.png")
        return [(0, files[0])]
    place = _changing_number(folder, [file.stem for file in files])
    numbered: dict[int, Path] = {}
    for file in files:
        number = int(_NUMBER.findall(file.stem)[place])
        other = numbered.setdefault(number, file)
        if other != file:
            raise InputError(
                f"{folder}: {other.name} and {file.name} both have frame number {number}: "
                "keep one clip in a folder, numbered once"
            )
    return sorted(numbered.items())


def _images(folder: Path) -> list[Path]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith((".", "~")))
    files = [p for p in entries if p.suffix.casefold() in IMAGE_SUFFIXES]
    kinds = Counter(_SAME.get(p.suffix.casefold(), p.suffix.casefold()) for p in files)
    if not kinds:
        there = Counter(p.suffix.casefold() or "without suffix" for p in entries if p.is_file())
        found = ", ".join(f"{n} {suffix}" for suffix, n in there.most_common(3)) or "nothing"
        raise InputError(
            f"{folder}: the folder holds no PNG or other image ({found}): it should hold numbered frames, 0001.png "
            "and on; name a video or a DICOM file itself"
        )
    if len(kinds) > 1:
        found = ", ".join(f"{n} {suffix}" for suffix, n in kinds.most_common())
        raise InputError(f"{folder}: holds images of several kinds ({found}): keep one kind, so that no frame is lost")
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: is no ordinary file: keep images alone in the folder")
    return files


def _changing_number(folder: Path, stems: list[str]) -> int:
    """Which number of the names counts the frames."""
    patterns = {_NUMBER.sub("#", stem): stem for stem in stems}
    if len(patterns) > 1:
        first, second = list(patterns.values())[:2]
        if not _NUMBER.search(first) or not _NUMBER.search(second):
            odd = first if not _NUMBER.search(first) else second
            raise InputError(f"{folder}: the name {odd!r} has no frame number: {_RENAME}")
        raise InputError(f"{folder}: {first!r} and {second!r} are named by two patterns: keep one clip in a folder")
    if not _NUMBER.search(stems[0]):
        raise InputError(f"{folder}: the name {stems[0]!r} has no frame number: {_RENAME}")
    columns = list(zip(*(_NUMBER.findall(stem) for stem in stems)))
    changing = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    for k in changing:
        if max(len(number) for number in columns[k]) > _MOST_DIGITS:
            raise InputError(f"{folder}: the number in {stems[0][:80]!r} has too many digits: {_RENAME}")
    values = {k: [int(number) for number in columns[k]] for k in changing}
    # A number that is written twice, or counts from another start, is one count.
    counts = {tuple(np.subtract(v, v[0]).tolist()) for v in values.values()}
    if len(counts) > 1:
        raise InputError(f"{folder}: several numbers change in the names ({stems[0]!r}, {stems[1]!r}): {_RENAME}")
    place = changing[0] if changing else len(columns) - 1
    number = list(_NUMBER.finditer(stems[0]))[place]
    before, end = number.span()
    if re.search(r"[0-9][.,:]$", stems[0][:before]) or (
        len(stems) > 1 and _is_time(stems[0][:end], values.get(place, []))
    ):
        raise InputError(
            f"{folder}: the number that changes in {stems[0]!r} is a part of a time or a decimal number: {_RENAME}"
        )
    return place


def _is_time(name: str, values: list[int]) -> bool:
    """Whether the number at the end of a name tells a time: of a day, of a clock, or ms since the first frame."""
    steps = np.diff(sorted(set(values)))
    jitter = len(steps) > 1 and steps.min() >= 10 and len(set(steps)) > 1 and steps.max() < 1.5 * steps.min()
    return bool(_DAY_TIME.search(name)) or min(values, default=0) >= _CLOCK or bool(jitter)
