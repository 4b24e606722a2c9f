"""Gaze of one recording: any tracker's file as time, normalised x and y, and validity."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from common.errors import InputError
from data.gaze.formats import read_raw_gaze
from data.gaze.parsers import RawGaze

MAX_GAP_S = 0.210
# A tracker writes rows also while it sees no eye, and one that doesn't is not without for so
# long: a longer step without a single row is the clock, or a recorder that was restarted.
CLOCK_JUMP_S = 10.0
# Clocks count whole microseconds; a difference of two floats is not exact to that.
CLOCK_RESOLUTION_S = 1e-6


@dataclasses.dataclass(frozen=True)
class GazeRecording:
    """Gaze samples of one file, in the order of its rows.

    Attributes:
        path: of the file.
        format: name of the format.
        rows: data rows in the file; those beyond n samples are event rows.
        time_s: float64 [n], tracker clock, s. Repeats and steps back are kept.
        x, y: float64 [n], normalised to the screen, origin top left; NaN where invalid.
            A point off the screen is kept as it is. In pixels where `normalised` is false.
        valid: bool [n], at least one eye was found.
        screen_px: (width, height) of the screen, or None where nobody said.
        normalised: false only where pixels could not be normalised (`describe_gaze`).
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


def read_gaze(path: str | os.PathLike, screen_px: tuple[int, int] | None = None) -> GazeRecording:
    """Read a tracker's file, recognised by its header.

    Two valid eyes are averaged; one is used alone.

    Args:
        path: of a file in one of `gaze_formats.FORMATS`.
        screen_px: (width, height) of the screen, needed for formats in pixels that don't
            say it themselves. Must agree with a file that does.

    Raises:
        InputError: missing, empty or damaged file, unknown format, a bad cell, or no
            screen size where it is needed.
    """
    gaze = read_gaze_as_is(path, screen_px)
    if not gaze.normalised:
        raise InputError(
            f"{path}: {gaze.format} gives gaze in pixels and the file does not say of which screen: "
            "give screen_width_px,screen_height_px"
        )
    return gaze


def read_gaze_as_is(path: str | os.PathLike, screen_px: tuple[int, int] | None = None) -> GazeRecording:
    """As `read_gaze`, but leaves pixels of a screen of unknown size as they are."""
    name, rows, raw = read_raw_gaze(path)
    screen = _screen(path, raw, screen_px)
    x, y = raw.x, raw.y
    normalised = not raw.in_pixels or screen is not None
    if raw.in_pixels and screen is not None:
        x, y = x / screen[0], y / screen[1]
    valid = np.isfinite(x) & np.isfinite(y)
    return GazeRecording(os.fspath(path), name, rows, raw.time_s, x, y, valid, screen, normalised)


def clock_jumps(time_s: np.ndarray) -> np.ndarray:
    """Indices i at which the clock jumps between sample i and i + 1.

    A jump is any step back, or a step of more than `CLOCK_JUMP_S` forward with no row in
    between. Missing gaze is not a jump: its rows are there, only invalid.
    """
    steps = np.diff(time_s)
    return np.flatnonzero((steps < 0) | (steps > CLOCK_JUMP_S))


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


def clock_sections(time_s: np.ndarray) -> np.ndarray:
    """int [n]: number of clock jumps before each sample; equal numbers share one clock."""
    section = np.zeros(len(time_s), int)
    section[clock_jumps(time_s) + 1] = 1
    return np.cumsum(section)


def _screen(path, raw: RawGaze, given: tuple[int, int] | None) -> tuple[int, int] | None:
    if given is not None:
        given = tuple(given)
        if len(given) != 2 or not all(np.isfinite(side) and side > 0 for side in given):
            raise InputError(f"screen_width_px,screen_height_px {given}: must be two sizes above 0")
    if raw.screen_px and min(raw.screen_px) <= 0:
        raise InputError(f"{path}: gives a screen of {raw.screen_px[0]}x{raw.screen_px[1]}: sizes must be above 0")
    if raw.screen_px and given and raw.screen_px != given:
        raise InputError(
            f"{path}: was recorded on a screen of {raw.screen_px[0]}x{raw.screen_px[1]} pixels, "
            f"screen_width_px,screen_height_px say {given[0]}x{given[1]}: correct them or leave them empty"
        )
    return raw.screen_px or given
