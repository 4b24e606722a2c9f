"""What a gaze file holds, to look at before a data set is prepared."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from common.console import console, notice
from common.errors import InputError
from data.gaze.clock import clock_jumps, rate_hz
from data.gaze.read import GazeRecording, gaps, read_gaze_as_is
from data.text_files import printable

_EVENTS_SHOWN = 40


def gaze_command(
    files: Sequence[str | os.PathLike],
    json: bool = False,
    screen_px: tuple[int, int] | None = None,
    gaze_recording: str | None = None,
) -> None:
    """Describe gaze files on standard output: a table, or JSON, a list with one object per file.

    Raises:
        InputError: as `read_gaze`, but a screen of unknown size and a scene camera are no error; of several files that
            can't be read it is the first one's, the others' are notices, and what can be read was described before.
    """
    rows, refused = [], []
    for file in files:
        try:
            rows.append(describe_gaze(file, screen_px, gaze_recording))
        except InputError as error:
            refused.append(error)
    if rows and json:
        print(json_format.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        print_gaze_report(rows)
    for other in refused[1:]:
        notice(str(other))
    if refused:
        raise refused[0]


def describe_gaze(
    path: str | os.PathLike, screen_px: tuple[int, int] | None = None, gaze_recording: str | None = None
) -> dict:
    """Describe a gaze file.

    Returns:
        `file`, `format`; `rows` (of data in the file), `samples` (rows that are no events),
        `samples_with_gaze`; `first_s`, `last_s` (tracker clock); `duration_s` (recorded time:
        clock jumps taken out); `rate_hz`; `off_screen` (samples, None where the screen's size
        is not known); `gaps` (over 210 ms, number) and `longest_gap_s`; `clock_jumps` (number)
        and `clock_jumps_s` (size of each); `screen_px` ([width, height] or None); `normalised`
        (false where pixels could not be); `place` (why the points are not on a screen, or "");
        `fixations` (whether rows were fixations); `media` (names of what was shown); `events`
        (`time_s`, `text` of marks such as the start of a stimulus, tracker clock).

    Raises:
        InputError: as `read_gaze`, but a screen of unknown size and a scene camera are no error.
    """
    gaze = read_gaze_as_is(path, screen_px, gaze_recording=gaze_recording)
    steps = np.diff(gaze.time_s)
    jumps = steps[clock_jumps(gaze.time_s)]
    lengths = np.diff(gaps(gaze), axis=1)[:, 0]
    return {
        "file": str(Path(path)),
        "format": gaze.format,
        "rows": gaze.rows,
        "samples": len(gaze.time_s),
        "samples_with_gaze": int(gaze.valid.sum()),
        "first_s": round(float(gaze.time_s[0]), 6),
        "last_s": round(float(gaze.time_s[-1]), 6),
        "duration_s": round(float(gaze.time_s[-1] - gaze.time_s[0] - jumps.sum()), 6),
        "rate_hz": None if (rate := rate_hz(gaze.time_s)) is None else round(rate, 2),
        "off_screen": off_screen(gaze) if gaze.normalised and not gaze.scene else None,
        "gaps": len(lengths),
        "longest_gap_s": round(float(lengths.max()), 6) if len(lengths) else 0.0,
        "clock_jumps": len(jumps),
        "clock_jumps_s": [round(float(jump), 6) for jump in jumps],
        "screen_px": list(gaze.screen_px) if gaze.screen_px else None,
        "normalised": gaze.normalised,
        "place": gaze.scene and f"not on a screen: {gaze.scene}: map it to the screen first",
        "fixations": gaze.fixations,
        "media": list(gaze.media),
        "events": [{"time_s": round(event.time_s, 6), "text": event.text} for event in gaze.events],
    }


def off_screen(gaze: GazeRecording) -> int:
    """Number of valid samples that are not on the screen."""
    x, y = gaze.x[gaze.valid], gaze.y[gaze.valid]
    return int(((x < 0) | (x > 1) | (y < 0) | (y > 1)).sum())


def print_gaze_report(rows: Sequence[dict]) -> None:
    """Print what `describe_gaze` gave for each file as one table, a column per file."""
    table = Table(title="Gaze recordings")
    table.add_column("")
    for row in rows:
        table.add_column(escape(printable(Path(row["file"]).name)), overflow="fold")
    for name, text in _LINES.items():
        table.add_row(name, *(escape(text(row)) for row in rows))
    console.print(table)
    for row in rows:
        if row["place"]:
            console.print(f"{Path(row['file']).name}: {row['place']}", markup=False)
        _print_events(row)


def _print_events(row: dict) -> None:
    """The marks of one file: what to read `gaze_offset_s` from."""
    if not row["events"]:
        return
    table = Table(title=f"Events in {escape(Path(row['file']).name)}")
    table.add_column("tracker clock, s", justify="right")
    table.add_column("event", overflow="fold")
    for event in row["events"][:_EVENTS_SHOWN]:
        table.add_row(f"{event['time_s']:,.3f}", escape(printable(event["text"], 120)))
    console.print(table)
    if (more := len(row["events"]) - _EVENTS_SHOWN) > 0:
        console.print(f"and {more:,} more, which the JSON lists")


def _off_screen_text(row: dict) -> str:
    if row["place"]:
        return "not on a screen"
    if row["off_screen"] is None:
        return "unknown: in pixels, give the screen's size"
    return f"{row['off_screen']:,}"


_LINES = {
    "format": lambda row: row["format"],
    "rows": lambda row: f"{row['rows']:,}",
    "samples": lambda row: f"{row['samples']:,}" + (" (of fixations, every 10 ms)" if row["fixations"] else ""),
    "samples with gaze": lambda row: f"{row['samples_with_gaze']:,}",
    "first, s": lambda row: f"{row['first_s']:,.3f}",
    "last, s": lambda row: f"{row['last_s']:,.3f}",
    "duration, s": lambda row: f"{row['duration_s']:,.3f}",
    "rate, Hz": lambda row: "unknown" if row["rate_hz"] is None else f"{row['rate_hz']:.1f}",
    "screen, px": lambda row: "x".join(map(str, row["screen_px"])) if row["screen_px"] else "not stated",
    "off screen": _off_screen_text,
    "gaps over 210 ms": lambda row: f"{row['gaps']:,}",
    "longest gap, s": lambda row: f"{row['longest_gap_s']:.3f}",
    "media": lambda row: printable(", ".join(row["media"]), 200) or "not stated",
    "events": lambda row: f"{len(row['events']):,}",
    "clock jumps": lambda row: str(row["clock_jumps"]),
    "jumps by, s": lambda row: ", ".join(f"{jump:+,.3f}" for jump in row["clock_jumps_s"]) or "none",
}
