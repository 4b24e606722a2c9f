"""The export of Tobii Studio 3: TSV, ms, pixels in the ADCS columns; event rows repeat a timestamp, without gaze."""

from __future__ import annotations

import re

import numpy as np

from data.gaze.clock import read_times
from data.gaze.events import table_events
from data.gaze.eyes import STUDIO_VALIDITY, eyes_or_combined, need_samples
from data.gaze.raw import RawGaze, TableFormat
from data.gaze.table import Table

_GAZE = tuple(f"gazepoint{eye}{axis} (adcspx)" for eye in ("", "left", "right") for axis in "xy")
_EVENTS = ("studioevent", "mouseevent", "keypressevent", "externalevent")


def parse(table: Table) -> RawGaze:
    """Each eye with its code, or the combined columns where an export has only these."""
    event = table.blank(*_GAZE, "validityleft", "validityright") & (
        ~table.blank(*_EVENTS) | (table.blank("gazepointindex") if table.has("gazepointindex") else False)
    )
    whole, table = table, table.where(~event)
    need_samples(table)
    x, y = eyes_or_combined(
        table,
        ("gazepointleftx (adcspx)", "gazepointlefty (adcspx)", "validityleft"),
        ("gazepointrightx (adcspx)", "gazepointrighty (adcspx)", "validityright"),
        ("gazepointx (adcspx)", "gazepointy (adcspx)"),
        STUDIO_VALIDITY,
    )
    time_s, unit = read_times(table, "recordingtimestamp", "ms")
    events = table_events(whole, "recordingtimestamp", unit, "studioevent", "studioeventdata", "externalevent")
    return RawGaze(time_s, x, y, in_pixels=True, screen_px=_screen(table), unit=unit, events=events)


def _screen(table: Table) -> tuple[int, int] | None:
    """The stated size, which must be one."""
    sizes: dict[str, int] = {}
    for i, text in enumerate(table.cells.get("recordingresolution", [])):
        if text:
            sizes.setdefault(text, i)
    found = None
    for text, i in sizes.items():
        match = re.fullmatch(r"(\d{1,6})\s*[x×]\s*(\d{1,6})", text.casefold())
        if not match:
            raise table.error(i, "recordingresolution", text, "expected a size as 1920 x 1080")
        if found and found != (int(match[1]), int(match[2])):
            raise table.error(
                i, "recordingresolution", text, f"other rows have {found[0]} x {found[1]}: export one screen"
            )
        found = (int(match[1]), int(match[2]))
    return found


def example(time_s: np.ndarray, x: np.ndarray, y: np.ndarray, screen_px: tuple[int, int]) -> str:
    """With the start of a film between the samples."""
    eye = "GazePoint{0}X (ADCSpx)\tGazePoint{0}Y (ADCSpx)"
    rows = [
        "ParticipantName\tRecordingName\tRecordingResolution\tRecordingTimestamp\tStudioEvent\tStudioEventData\t"
        f"GazePointIndex\t{eye.format('Left')}\t{eye.format('Right')}\tValidityLeft\tValidityRight\t"
    ]
    width, height = screen_px
    about = f"P01\tRec 01\t{width} x {height}"
    for i, (t, px, py) in enumerate(zip(time_s * 1e3, x, y)):
        if i == 1:
            rows.append(f"{about}\t{t:.0f}\tMovieStart\tclip.avi" + "\t" * 8)
        seen = np.isfinite(px)
        point = f"{px * width:.4f}\t{py * height:.4f}" if seen else "\t"
        codes = "0\t0" if seen else "4\t4"
        rows.append(f"{about}\t{t:.0f}\t\t\t{i + 1}\t{point}\t{point}\t{codes}\t")
    return "\ufeff" + "\r\n".join(rows) + "\r\n"


FORMAT = TableFormat(
    name="Tobii Studio 3 TSV",
    tool="Tobii Studio 3",
    export="RecordingTimestamp, GazePointLeftX (ADCSpx) and its like, validity, StudioEvent, one recording a file",
    signature=(("recordingtimestamp",), _GAZE[::2]),
    optional=(
        *_GAZE,
        "validityleft",
        "validityright",
        "gazepointindex",
        "recordingresolution",
        "studioeventdata",
        *_EVENTS,
    ),
    texts=("gazepointindex", "recordingresolution", "studioeventdata", *_EVENTS),
    parse=parse,
    example=example,
)
