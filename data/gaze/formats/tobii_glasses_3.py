"""Tobii Pro Glasses 3: `gazedata` (or `gazedata.gz`) of a recording, one JSON object per line.

`gaze2d` is normalised to the scene camera's picture, not to a screen: it must be mapped first.
Time is in s from the start of the recording.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from common.errors import InputError
from data.gaze.raw import Event, GazeText, RawGaze, TextFormat
from data.text_files import printable


def recognise(head: list[str]) -> bool:
    """A JSON object with a type and a timestamp in the first line."""
    first = next((line for line in head if line.strip()), "").lstrip()
    return first.startswith("{") and '"type"' in first and '"timestamp"' in first and '"data"' in first


def parse(text: GazeText) -> tuple[int, RawGaze]:
    """An object without `gaze2d` is a missing sample; of other types, an event.

    Raises:
        InputError: a line that is no such object, or no sample.
    """
    times, points, events = [], [], []
    for number, line in enumerate(text.lines, 1):
        if not line.strip():
            continue
        kind, time_s, data = _object(line, text, number)
        if kind != "gaze":
            events.append(Event(time_s, f"{kind} {json.dumps(data, ensure_ascii=False)}" if data else kind))
            continue
        point = data.get("gaze2d")
        times.append(time_s)
        points.append(_point(point, text, number) if point else (np.nan, np.nan))
    if not times:
        raise InputError(f"{text.path}: holds no gaze: give gazedata of the recording")
    x, y = np.array(points, np.float64).T
    scene = "gaze2d of Tobii Pro Glasses lies in the scene camera's picture"
    return len(times), RawGaze(np.array(times), x, y, in_pixels=False, events=tuple(events), scene=scene)


def _object(line: str, text: GazeText, number: int) -> tuple[str, float, dict]:
    try:
        found = json.loads(line, parse_int=float)
        kind, time_s, data = found["type"], float(found["timestamp"]), found.get("data") or {}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{text.path}: row {number}: {printable(line, 40)!r} is no sample of Glasses 3: copy it again"
        ) from error
    if not isinstance(kind, str) or not isinstance(data, dict) or not abs(time_s) < 1e15:
        raise InputError(f"{text.path}: row {number}: type, timestamp or data are not of Glasses 3: copy it again")
    return kind, time_s, data


def _point(point: Any, text: GazeText, number: int) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in point)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{text.path}: row {number}: gaze2d {printable(str(point), 40)} is no pair of numbers"
        ) from error
    if not (abs(x) < 1e15 and abs(y) < 1e15):
        raise InputError(f"{text.path}: row {number}: gaze2d {x:g}, {y:g} is no point of a picture: copy it again")
    return x, y


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """With the event of a sync port before the samples."""
    lines = [json.dumps({"type": "sync", "timestamp": float(time_s[0]), "data": {"port": "in", "value": 1}})]
    for t, px, py in zip(time_s.tolist(), x.tolist(), y.tolist()):
        data = {"gaze2d": [px, py], "gaze3d": [1, 2, 700]} if np.isfinite(px) else {}
        lines.append(json.dumps({"type": "gaze", "timestamp": t, "data": data}))
    return "\n".join(lines) + "\n"


FORMAT = TextFormat(
    name="Tobii Pro Glasses 3",
    tool="Tobii Pro Glasses 3",
    export="map gaze to the screen first (Pro Lab: assisted mapping, then its mapped x and y as a plain file)",
    recognise=recognise,
    parse=parse,
    example=example,
)
