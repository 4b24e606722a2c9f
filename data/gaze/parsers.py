"""From the columns of each eye-tracker format to samples: units, eyes, validity, event rows.

Tobii Studio's validity codes run from 0 (the eye is surely found) to 4 (it is not); as its
manual advises, 0 and 1 are used, and 2, where the tracker can't tell which eye it sees, and
above are missing. The SDK stream has 1 for valid and 0 for not.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from common.errors import InputError
from data.gaze.table import Table

_STUDIO_VALIDITY = {"0": True, "1": True, "2": False, "3": False, "4": False, "-1": False, "": None}
_FLAG = {"1": True, "0": False, "true": True, "false": False, "": False}
_WORDS = {"valid": True, "invalid": False, "": None}
# Trackers sample at 25 to 2000 Hz, so a median step of 100 or more is not milliseconds.
_LONGEST_STEP_MS = 100
# Gaze strays off a screen, but hardly ever farther than the screen is wide.
_FARTHEST_NORMALISED = 2.0

PRO_LAB_GAZE = tuple(f"gaze point {eye}{axis}" for eye in ("", "left ", "right ") for axis in "xy")
STUDIO_2_GAZE = tuple(f"gazepoint{axis}{eye}" for eye in ("", "left", "right") for axis in "xy")
STUDIO_3_GAZE = tuple(f"gazepoint{eye}{axis} (adcspx)" for eye in ("", "left", "right") for axis in "xy")
STUDIO_3_EVENTS = ("studioevent", "mouseevent", "keypressevent", "externalevent")
STREAM_POINTS = tuple(
    (f"{eye}_gaze_point_on_display_area", f"{eye}_gaze_point_on_display_area_x") for eye in ("left", "right")
)


@dataclasses.dataclass(frozen=True)
class RawGaze:
    """Gaze as the file has it: one row per sample, event rows left out.

    Attributes:
        time_s: float64 [n], tracker clock, s.
        x, y: float64 [n], NaN where missing; pixels of the screen or normalised to it.
        in_pixels: which of the two.
        screen_px: (width, height) that the file states, or None.
    """

    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    in_pixels: bool
    screen_px: tuple[int, int] | None = None


def pro_sdk_stream(table: Table) -> RawGaze:
    """µs; a cell per eye with (x, y), or two cells; nan and validity 0 where missing."""
    eyes = []
    for eye in ("left", "right"):
        ok = np.array(table.codes(f"{eye}_gaze_point_validity", _FLAG), bool)
        point = f"{eye}_gaze_point_on_display_area"
        if table.has(point):
            xy = table.pairs(point, nan_where=~ok)
        else:
            xy = np.stack([table.numbers(f"{point}_{c}", empty=True, nan_where=~ok) for c in "xy"], axis=1)
        xy[~ok] = np.nan
        eyes.append(xy)
    return RawGaze(table.numbers("device_time_stamp") / 1e6, *_one_gaze(*eyes), in_pixels=False)


def sdk_tsv(table: Table) -> RawGaze:
    """µs; both eyes normalised, -1 where missing; validity as in Studio."""
    if table.has("timestampsec", "timestampmicrosec"):
        time_s = table.numbers("timestampsec") + table.numbers("timestampmicrosec") / 1e6
    else:
        time_s = table.numbers("tettime") / 1e6
    eyes = []
    for eye in ("lefteye", "righteye"):
        xy = _eye(table, f"xgazepos{eye}", f"ygazepos{eye}", f"validity{eye}", _STUDIO_VALIDITY)
        xy[(xy == -1).all(axis=1)] = np.nan
        eyes.append(xy)
    return RawGaze(time_s, *_one_gaze(*eyes), in_pixels=False)


def pro_lab(table: Table) -> RawGaze:
    """ms or µs; pixels; validity in words or, in older versions, an empty cell for missing."""
    event = table.blank(*PRO_LAB_GAZE) & ~table.blank("event")
    if table.has("sensor"):
        event |= np.array([text.casefold() != "eye tracker" for text in table.cells["sensor"]], bool)
    # Only a file with an eye tracker's rows can have others beside them.
    table = table.where(~event)
    _need_rows(table)
    time = table.numbers("recording timestamp")
    unit = table.header.unit.get("recording timestamp", "")
    steps = np.diff(time)
    steps = steps[steps > 0]
    # Newer versions count in µs, often under the same name.
    in_us = unit not in ("", "ms") or (not unit and steps.size and np.median(steps) > _LONGEST_STEP_MS)
    x, y = _both_eyes_or_combined(
        table,
        ("gaze point left x", "gaze point left y", "validity left"),
        ("gaze point right x", "gaze point right y", "validity right"),
        ("gaze point x", "gaze point y"),
        _WORDS,
    )
    screen = None
    if table.has("recording resolution width", "recording resolution height"):
        size = [table.numbers(f"recording resolution {side}", empty=True) for side in ("width", "height")]
        if np.isfinite(size).any(axis=1).all():
            screen = tuple(int(np.nanmax(side)) for side in size)
    return RawGaze(time / (1e6 if in_us else 1e3), x, y, in_pixels=True, screen_px=screen)


def studio_2(table: Table) -> RawGaze:
    """ms; pixels; event rows have neither gaze nor validity nor a sample number."""
    event = table.blank(*STUDIO_2_GAZE, "validityleft", "validityright") & (
        ~table.blank("event") | (table.blank("number") if table.has("number") else False)
    )
    table = table.where(~event)
    _need_rows(table)
    x, y = _both_eyes_or_combined(
        table,
        ("gazepointxleft", "gazepointyleft", "validityleft"),
        ("gazepointxright", "gazepointyright", "validityright"),
        ("gazepointx", "gazepointy"),
        _STUDIO_VALIDITY,
    )
    return RawGaze(table.numbers("timestamp") / 1e3, x, y, in_pixels=True, screen_px=_studio_2_screen(table))


def _studio_2_screen(table: Table) -> tuple[int, int] | None:
    """The screen's size from the media shown on it, which stand in its middle.

    A medium need not fill the screen (and a web page may be longer), so the rows in
    which nothing is shown count first: there the "medium" is the screen.
    """
    if not table.has("mediawidth", "mediaheight"):
        return None
    size = []
    for extent, position in (("mediawidth", "mediaposx"), ("mediaheight", "mediaposy")):
        margin = table.numbers(position, empty=True) if table.has(position) else np.zeros(len(table))
        size.append(table.numbers(extent, empty=True) + 2 * np.nan_to_num(margin))
    known = np.isfinite(size).all(axis=0)
    if table.has("stimuliname"):
        nothing_shown = np.array([text.casefold() == "no media" for text in table.cells["stimuliname"]], bool)
        known = known & nothing_shown if (known & nothing_shown).any() else known
    if not known.any():
        return None
    return tuple(int(side[known].max()) for side in size)


def studio_3(table: Table) -> RawGaze:
    """ms; pixels in the ADCS columns; event rows repeat a timestamp and have no gaze."""
    event = table.blank(*STUDIO_3_GAZE, "validityleft", "validityright") & (
        ~table.blank(*STUDIO_3_EVENTS) | (table.blank("gazepointindex") if table.has("gazepointindex") else False)
    )
    table = table.where(~event)
    _need_rows(table)
    x, y = _both_eyes_or_combined(
        table,
        ("gazepointleftx (adcspx)", "gazepointlefty (adcspx)", "validityleft"),
        ("gazepointrightx (adcspx)", "gazepointrighty (adcspx)", "validityright"),
        ("gazepointx (adcspx)", "gazepointy (adcspx)"),
        _STUDIO_VALIDITY,
    )
    screen = None
    for i, text in enumerate(table.cells.get("recordingresolution", [])):
        if text:
            match = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", text.casefold())
            if not match:
                raise table.error(i, "recordingresolution", text, "expected a size as 1920 x 1080")
            screen = (int(match[1]), int(match[2]))
            break
    return RawGaze(table.numbers("recordingtimestamp") / 1e3, x, y, in_pixels=True, screen_px=screen)


def gazepoint(table: Table) -> RawGaze:
    """s; best point of gaze, normalised, with a flag."""
    xy = _eye(table, "bpogx", "bpogy", "bpogv", _FLAG)
    return RawGaze(table.numbers("time"), xy[:, 0], xy[:, 1], in_pixels=False)


def plain(table: Table) -> RawGaze:
    """s or ms, normalised x and y, and perhaps a flag: this project's own contract."""
    time_s = table.numbers("time_s") if table.has("time_s") else table.numbers("time_ms") / 1e3
    xy = _eye(table, "x", "y", "valid", _FLAG)
    seen = np.abs(xy[~np.isnan(xy).any(axis=1)])
    typical = np.median(seen.max(axis=1)) if len(seen) else 0.0
    if typical > _FARTHEST_NORMALISED:
        raise InputError(
            f"{table.path}: columns 'x' and 'y' look like pixels (median {typical:g}), but this format "
            "has them normalised to the screen: divide x by its width and y by its height"
        )
    return RawGaze(time_s, xy[:, 0], xy[:, 1], in_pixels=False)


def _eye(table: Table, x: str, y: str, validity: str, meaning: dict) -> np.ndarray:
    """One eye, float64 [n, 2]; NaN where it is marked invalid or a cell is empty."""
    codes = table.codes(validity, meaning) if table.has(validity) else []
    bad = np.array([code is False for code in codes] if codes else np.zeros(len(table)), bool)
    xy = np.stack([table.numbers(name, empty=True, nan_where=bad) for name in (x, y)], axis=1)
    xy[bad | np.isnan(xy).any(axis=1)] = np.nan
    return xy


def _one_gaze(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average two eyes, float64 [n, 2] each; take one alone where the other is missing."""
    only_left, only_right = np.isnan(right).any(axis=1), np.isnan(left).any(axis=1)
    gaze = (left + right) / 2
    gaze[only_left] = left[only_left]
    gaze[only_right] = right[only_right]
    return gaze[:, 0], gaze[:, 1]


def _both_eyes_or_combined(table: Table, left: tuple, right: tuple, combined: tuple, meaning: dict):
    """Gaze from each eye's columns, or from the combined ones in exports without them."""
    if table.has(*left[:2], *right[:2]):
        return _one_gaze(_eye(table, *left, meaning), _eye(table, *right, meaning))
    for x, y, *validity in (combined, left, right):
        if not table.has(x, y):
            continue
        if validity:
            xy = _eye(table, x, y, validity[0], meaning)
        else:
            eyes = [table.codes(name, meaning) for name in (left[2], right[2]) if table.has(name)]
            bad = np.array([all(c is False for c in row) for row in zip(*eyes)] or np.zeros(len(table)), bool)
            xy = np.stack([table.numbers(name, empty=True, nan_where=bad) for name in (x, y)], axis=1)
            xy[bad | np.isnan(xy).any(axis=1)] = np.nan
        return xy[:, 0], xy[:, 1]
    raise InputError(f"{table.path}: has {combined[0]!r} or its like without the y beside it: export both")


def _need_rows(table: Table) -> None:
    if not len(table):
        raise InputError(f"{table.path}: has event rows only, and no gaze sample: export the gaze data too")
