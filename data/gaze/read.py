"""Gaze of one recording: any tracker's file as time, normalised x and y, and validity."""

from __future__ import annotations

import dataclasses
import functools
import os
import stat
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.delimited import lines_of, separator_of
from data.gaze.clock import CLOCK_RESOLUTION_S, check_rate, clock_sections
from data.gaze.formats import gaze_formats
from data.gaze.raw import Event, GazeText, RawGaze, TableFormat, TextFormat
from data.gaze.selection import select_recording, selecting_columns
from data.gaze.table import Table, fill_table, find_header
from data.gaze.unreadable import refuse_binary, refuse_markup, refuse_table
from data.text_files import GZIP_MAGIC, decode_text, read_file, unpack_gzip

MAX_GAP_S = 0.210
_LARGEST_SCREEN_PX = 100_000
# Of a fixation table and of a tracker that looks at somebody's face no point is this far away.
_FARTHEST = 1000.0
# Gaze strays off the screen to the keyboard and to the patient; hardly a quarter of a session
# to the left of the screen or above it. Looks at its upper edge lie above it by the tracker's error alone, a few
# hundredths of the screen.
_CENTRED_SHARE, _CENTRED_SAMPLES, _AT_THE_EDGE = 0.25, 10, 0.1
_KEPT_BYTES = 16 << 20
# Rows of up to so many people may take turns; shares of the screen by which these look at different places.
_MOST_PEOPLE, _APART = 6, 0.05
_FEWEST_PX = 2.0


@dataclasses.dataclass(frozen=True)
class GazeRecording:
    """Gaze samples of one file, in the order of its rows.

    Attributes:
        path: of the file.
        format: name of the format.
        rows: data rows in the file (of the recording that was chosen); those beyond n
            samples are event rows.
        time_s: float64 [n], tracker clock, s. Repeats and steps back are kept.
        x, y: float64 [n], normalised to the screen, origin top left; NaN where invalid.
            A point off the screen is kept as it is. In pixels where `normalised` is false.
        valid: bool [n], at least one eye was found.
        screen_px: (width, height) of the screen, or None where nobody said.
        normalised: false only where pixels could not be normalised (`describe_gaze`).
        events: marks such as starts of stimuli, on the same clock.
        media: names of what was shown, where the file has them.
        scene: why the points are not on a screen ("" if they are).
        fixations: the rows were fixations.
    """

    path: str
    format: str
    rows: int
    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    valid: np.ndarray
    screen_px: tuple[int, int] | None
    normalised: bool = True
    events: tuple[Event, ...] = ()
    media: tuple[str, ...] = ()
    scene: str = ""
    fixations: bool = False


def read_gaze(
    path: str | os.PathLike,
    screen_px: tuple[int, int] | None = None,
    *,
    gaze_recording: str | None = None,
    clock_known: bool = True,
) -> GazeRecording:
    """Read a tracker's file, recognised by its content.

    Two valid eyes are averaged; one is used alone.

    Args:
        path: of a file in one of `data.gaze.formats.gaze_formats()`, gzipped or not.
        screen_px: (width, height) of the screen, needed for formats in pixels that don't
            say it themselves. Must agree with a file that does.
        gaze_recording: which one is meant in a file of several: the name of a recording,
            participant, session or medium, or "column=value".
        clock_known: whether the tracker's clock at the video's first frame is known; if not,
            several media in one file are refused as several recordings are.

    Raises:
        InputError: missing, empty or damaged file, unknown format, a bad cell, several
            recordings, a rate that no tracker has, points that are not on a screen with its
            origin top left, or no screen size where it is needed.
    """
    gaze = read_gaze_as_is(path, screen_px, gaze_recording=gaze_recording, clock_known=clock_known)
    if gaze.scene:
        raise InputError(
            f"{path}: {gaze.scene}, which moves with the head: map gaze to the screen first and give the mapped points "
            "as time_s,x,y"
        )
    if not gaze.normalised:
        raise InputError(
            f"{path}: {gaze.format} gives gaze in pixels and the file does not say of which screen: "
            "give screen_px (screen_width_px,screen_height_px in a manifest)"
        )
    return gaze


def read_gaze_as_is(
    path: str | os.PathLike,
    screen_px: tuple[int, int] | None = None,
    *,
    gaze_recording: str | None = None,
    clock_known: bool = True,
) -> GazeRecording:
    """As `read_gaze`, but leaves pixels of a screen of unknown size, and of a scene camera, as they are."""
    name, rows, raw = read_raw_gaze(path, gaze_recording=gaze_recording, clock_known=clock_known)
    if not raw.fixations:
        check_rate(raw.time_s, raw.unit, os.fspath(path))
    screen = None if raw.scene else _screen(path, raw, screen_px)
    x, y = raw.x, raw.y
    normalised = not raw.in_pixels or screen is not None
    if raw.in_pixels and screen is not None:
        x, y = x / screen[0], y / screen[1]
    valid = np.isfinite(x) & np.isfinite(y)
    if not raw.fixations:
        _check_one_person(path, x[valid], y[valid], normalised)
    if not raw.scene:
        if raw.in_pixels:
            _check_pixels(path, raw.x[valid], raw.y[valid])
        _check_points(path, x[valid], y[valid], normalised)
    return GazeRecording(
        os.fspath(path),
        name,
        rows,
        raw.time_s,
        x,
        y,
        valid,
        screen,
        normalised,
        raw.events,
        raw.media,
        raw.scene,
        raw.fixations,
    )


def read_raw_gaze(
    path: str | os.PathLike, *, gaze_recording: str | None = None, clock_known: bool = True
) -> tuple[str, int, RawGaze]:
    """Read any known gaze file as it is.

    Returns:
        (name of the format, data rows, samples).

    Raises:
        InputError: unknown format, missing or empty file, several recordings, or a bad cell;
            names the row and the column.
    """
    path = Path(path)
    known, rows, content = _parsed(path)
    if isinstance(content, RawGaze):
        if gaze_recording:
            raise InputError(f"{path}: {known.name} holds one recording: leave gaze_recording empty")
        return known.name, rows, content
    assert isinstance(known, TableFormat)
    table, media = select_recording(
        content, gaze_recording, clock_known=clock_known, clock_restarts=known.clock_restarts
    )
    return known.name, len(table), dataclasses.replace(known.parse(table), media=media)


def _parsed(path: Path) -> tuple[TableFormat | TextFormat, int, Table | RawGaze]:
    """(format, data rows, its table before a recording is chosen, or its samples).

    A manifest may name one file in a thousand rows: the last few files, if they are small, are parsed once.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return _parse(path)  # which says what is wrong
    if stat.S_ISREG(found.st_mode) and found.st_size <= _KEPT_BYTES:
        return _parsed_once(path, found.st_size, found.st_mtime_ns)
    return _parse(path)


@functools.lru_cache(maxsize=4)
def _parsed_once(path: Path, size: int, changed_ns: int) -> tuple[TableFormat | TextFormat, int, Table | RawGaze]:
    return _parse(path)


def _parse(path: Path) -> tuple[TableFormat | TextFormat, int, Table | RawGaze]:
    lines = _lines(path)
    head = lines[:256]
    for known in gaze_formats():
        if isinstance(known, TextFormat) and known.recognise(head):
            return known, *known.parse(GazeText(path, lines))
    tables = [known for known in gaze_formats() if isinstance(known, TableFormat)]
    found = find_header(path, lines, lambda header: next((known for known in tables if known.matches(header)), None))
    if found is None:
        refuse_markup(path, "\n".join(head))
        first = next((line for line in lines if line.strip()), "")
        names = first.split(separator_of(first))[:1000]
        raise refuse_table(path, lines, names, [known.name for known in gaze_formats()])
    known, header, above, separator = found
    wanted = dict.fromkeys((*known.columns, *known.further(header), *selecting_columns(header)))
    texts = (wanted.keys() - known.columns).union(known.texts)
    table = fill_table(path, lines, header, above, separator, wanted, texts=texts, ragged=known.ragged)
    return known, len(table), dataclasses.replace(table, marks=frozenset(known.marks))


def gaps(gaze: GazeRecording, max_gap_s: float = MAX_GAP_S) -> np.ndarray:
    """Stretches of more than `max_gap_s` without gaze: float64 [k, 2], from and to, s.

    A gap lies between two consecutive valid samples, or between one and the end of a
    section of the clock: it never spans a clock jump.
    """
    section = clock_sections(gaze.time_s)
    edge = np.diff(section, prepend=-1, append=section[-1] + 1 if len(section) else 0) != 0
    rows = np.flatnonzero(gaze.valid | edge[:-1] | edge[1:])
    time_s = gaze.time_s[rows]
    long = np.diff(time_s) > max_gap_s + CLOCK_RESOLUTION_S
    at = np.flatnonzero(long & (np.diff(section[rows]) == 0))
    return np.stack([time_s[at], time_s[at + 1]], axis=1)


def _lines(path: Path) -> list[str]:
    data = read_file(path)
    if data[:2] == GZIP_MAGIC:
        data = unpack_gzip(data, path)
    refuse_binary(path, data)
    text = decode_text(data)
    # NUL is in no text: a table with one in it was damaged or is none.
    if "\0" in text:
        refuse_markup(path, text)
        raise InputError(f"{path}: has a zero byte in it: the file is damaged, export it again")
    return lines_of(text)


def _screen(path: str | os.PathLike, raw: RawGaze, given: tuple[int, int] | None) -> tuple[int, int] | None:
    stated = raw.screen_px
    if given is not None:
        given = (given[0], given[1])
    for size, what in ((given, "screen_px is"), (stated, "gives a screen of")):
        if size and not all(0 < side <= _LARGEST_SCREEN_PX for side in size):
            shown = "x".join(f"{side:.6g}" if abs(side) < 1e300 else "huge" for side in size)
            raise InputError(f"{path}: {what} {shown} pixels: sides must be above 0 and at most {_LARGEST_SCREEN_PX:,}")
    if stated and given and stated != given:
        raise InputError(
            f"{path}: was recorded on a screen of {stated[0]}x{stated[1]} pixels, "
            f"screen_px says {given[0]}x{given[1]}: correct it or leave it empty"
        )
    return stated or given


def _check_one_person(path: str | os.PathLike, x: np.ndarray, y: np.ndarray, normalised: bool) -> None:
    """Refuse rows in which the gaze of several people alternates: each is nearer to a later row than to the next one.

    An eye is never that: the longer it has, the farther it comes.
    """
    if len(x) < 10 * _MOST_PEOPLE:
        return
    scale = 1.0 if normalised else max(float(np.ptp(x)), float(np.ptp(y)), 1.0)
    steps = [float(np.median(np.hypot(x[k:] - x[:-k], y[k:] - y[:-k]))) / scale for k in range(1, _MOST_PEOPLE + 1)]
    people = int(np.argmin(steps)) + 1
    if steps[0] > _APART and steps[people - 1] < steps[0] / 5:
        raise InputError(
            f"{path}: its rows alternate between {people} places, {steps[0]:.2g} of the screen apart, gaze of "
            f"{people} people or recordings: export one of them, or name the column that tells them apart "
            "'participant' and give gaze_recording"
        )


def _check_pixels(path: str | os.PathLike, x: np.ndarray, y: np.ndarray) -> None:
    """Refuse "pixels" that stay within two: they are normalised, or thousands with a point ("1.056")."""
    if len(x) < _CENTRED_SAMPLES:
        return
    for axis, values in (("x", x), ("y", y)):
        if np.abs(values).max() <= _FEWEST_PX:
            raise InputError(
                f"{path}: {axis} is in pixels and reaches {np.abs(values).max():.4g}, so it is normalised, "
                "or has a point for the thousands: name it so, or export numbers without thousands separators"
            )


def _check_points(path: str | os.PathLike, x: np.ndarray, y: np.ndarray, normalised: bool) -> None:
    """Refuse points that are not on a screen with its origin top left, or are absurd."""
    farthest = _FARTHEST if normalised else _FARTHEST * _LARGEST_SCREEN_PX
    if (far := (np.abs(x) > farthest) | (np.abs(y) > farthest)).any():
        i = int(np.argmax(far))
        raise InputError(
            f"{path}: a point at {x[i]:g}, {y[i]:g} is absurdly far away: correct it, or leave it empty if it is "
            "missing"
        )
    edge = -_AT_THE_EDGE if normalised else 0.0
    outside = (x < edge) | (y < edge)
    if len(x) >= _CENTRED_SAMPLES and outside.mean() >= _CENTRED_SHARE:
        raise InputError(
            f"{path}: {outside.mean():.0%} of the points lie left of the screen or above it (x from {x.min():.3g} to "
            f"{x.max():.3g}, y from {y.min():.3g} to {y.max():.3g}): the origin seems to be in the centre, with y "
            "upwards: export it top left with y downwards, or mark samples off the screen invalid"
        )
