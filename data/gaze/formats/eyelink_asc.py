"""SR Research EyeLink's recording as text (`edf2asc`): ms, pixels of the display, one or two eyes.

Sample lines begin with their time; `.` is a missing value; the SAMPLES line says which eyes
follow; messages (MSG) are events, and `DISPLAY_COORDS` or `GAZE_COORDS` among them the screen: its
size, and the pixels of its corner, from which gaze is counted.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from common.errors import InputError
from data.gaze.eyes import mean_of_eyes
from data.gaze.raw import Event, GazeText, RawGaze, TextFormat
from data.text_files import printable

_SIDE = r"(-?\d{1,9}(?:\.\d*)?)"
_COORDS = re.compile(r"(?:DISPLAY_COORDS|GAZE_COORDS)[\s=:]*" + r"(?:\s*,\s*|\s+)".join([_SIDE] * 4))
_NOT_GAZE = {"HREF": "angles of the head reference", "PUPIL": "raw pupil positions", "RAW": "raw pupil positions"}


@dataclasses.dataclass(frozen=True)
class _Display:
    """The pixels of its first corner, from which samples are not always counted, and its (width, height)."""

    left: float
    top: float
    size: tuple[int, int]


def recognise(head: list[str]) -> bool:
    """A converter's comment, or its lines of messages, starts and samples."""
    if any(
        line.startswith("** CONVERTED FROM") or "EYELINK" in line.upper()[:80] for line in head[:40] if line[:2] == "**"
    ):
        return True
    words = [line.split(None, 2) for line in head if line.strip()]
    kinds = {row[0] for row in words if len(row) > 1 and row[0].isupper()}
    return "START" in kinds and bool(kinds & {"SAMPLES", "EVENTS", "PRESCALER"})


def parse(text: GazeText) -> tuple[int, RawGaze]:
    """Each block has its own SAMPLES line; all count on one clock.

    Raises:
        InputError: no samples, samples that are not gaze, or a bad line.
    """
    eyes, times, cells, events = "", [], [], []
    display: _Display | None = None
    for number, line in enumerate(text.lines, 1):
        if not line:
            continue
        if line[0].isdigit():
            row = line.split()
            if len(row) < 3:
                raise _bad(text, number, line)
            times.append(row[0])
            cells.append(_points(row, eyes, text, number))
        elif line.startswith("MSG"):
            row = line.split(None, 2)
            if len(row) == 3 and (found := _COORDS.search(row[2])):
                display = _display(found, display, text, number)
            elif len(row) == 3:
                events.append(Event(_number(row[1], text, number, line) / 1e3, printable(row[2], 200)))
        elif line.startswith("SAMPLES"):
            words = line.split()
            for word, what in _NOT_GAZE.items():
                if word in words:
                    raise InputError(
                        f"{text.path}: row {number}: samples are {what}: convert it again with edf2asc -p GAZE"
                    )
            eyes = "LR" if {"LEFT", "RIGHT"} <= set(words) else "L"
    if not times:
        raise InputError(f"{text.path}: an EyeLink file without samples: convert it again with edf2asc, without -e")
    x, y = _gaze(np.array(cells, np.float64))
    return len(times), RawGaze(
        _floats(times, text) / 1e3,
        x - (display.left if display else 0.0),
        y - (display.top if display else 0.0),
        in_pixels=True,
        screen_px=display.size if display else None,
        unit="ms",
        events=tuple(events),
    )


def _points(row: list[str], eyes: str, text: GazeText, number: int) -> tuple[float, float, float, float]:
    """Left x, y, right x, y of a sample: time, x, y, pupil (, x, y, pupil), ..."""
    two = eyes == "LR" or (not eyes and len(row) >= 7)
    if two and len(row) < 6:
        raise _bad(text, number, " ".join(row))
    x, y, *other = (
        np.nan if row[i] == "." else _number(row[i], text, number, row[i]) for i in ((1, 2, 4, 5) if two else (1, 2))
    )
    return (x, y, other[0], other[1]) if two else (x, y, np.nan, np.nan)


def _gaze(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, right = cells[:, :2].copy(), cells[:, 2:].copy()
    for eye in (left, right):
        eye[np.isnan(eye).any(axis=1)] = np.nan
    return mean_of_eyes(left, right)


def _display(found: re.Match, before: _Display | None, text: GazeText, number: int) -> _Display:
    left, top, right, bottom = (float(word) for word in found.groups())
    # The last pixel is stated, from 0; some scripts state the size. Displays have even sides.
    sides = (int(right - left), int(bottom - top))
    display = _Display(left, top, (sides[0] + sides[0] % 2, sides[1] + sides[1] % 2))
    if before and before != display:
        raise InputError(
            f"{text.path}: row {number}: {_shown(display)}, before it was {_shown(before)}: convert one recording of "
            "one display"
        )
    return display


def _shown(display: _Display) -> str:
    return f"a display of {display.size[0]}x{display.size[1]} pixels from {display.left:g},{display.top:g} on"


def _floats(words: list[str], text: GazeText) -> np.ndarray:
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise InputError(
            f"{text.path}: a line begins with no time ({printable(str(error), 60)}): convert it again"
        ) from error
    if not (np.abs(values) < 1e15).all():
        raise InputError(f"{text.path}: a time is absurdly large: convert it again")
    return values


def _number(word: str, text: GazeText, number: int, line: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise _bad(text, number, line) from None
    if not abs(value) < 1e15:
        raise _bad(text, number, line)
    return value


def _bad(text: GazeText, number: int, line: str) -> InputError:
    return InputError(
        f"{text.path}: row {number}: {printable(line, 60)!r} is no sample of EyeLink: convert it again with edf2asc"
    )


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """One eye at 1,000 Hz or less, with the start of a trial."""
    width, height = screen_px
    first = round(time_s[0] * 1e3)
    lines = [
        "** CONVERTED FROM a.edf using edfapi 4.2.1",
        "** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED",
        f"MSG\t{first} DISPLAY_COORDS = 0 0 {width - 1} {height - 1}",
        f"START\t{first} \tLEFT\tSAMPLES\tEVENTS",
        "SAMPLES\tGAZE\tLEFT\tRATE\t1000.00\tTRACKING\tCR\tFILTER\t2",
        f"MSG\t{first} VIDEO_START clip.mp4",
    ]
    for t, px, py in zip(np.round(time_s * 1e3).astype(int), x, y):
        point = f"{px * width:.4f}\t{py * height:.4f}\t 1000.0" if np.isfinite(px) else "   .\t   .\t    0.0"
        lines.append(f"{t}\t{point}\t...")
    lines.append(f"END\t{t + 1} \tSAMPLES\tEVENTS\tRES\t  26.00\t  26.00")
    return "\n".join(lines) + "\n"


FORMAT = TextFormat(
    name="EyeLink ASC",
    tool="SR Research EyeLink",
    export="edf2asc with samples and gaze positions (edf2asc -p GAZE FILE.edf)",
    recognise=recognise,
    parse=parse,
    example=example,
)
