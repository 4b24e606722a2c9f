"""Texts of trackers' files, and how a reading of them is refused."""

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.formats import gaze_formats
from data.gaze.read import read_gaze

TIMES = 2.0 + np.arange(120) / 60

FORMATS = {known.name: known for known in gaze_formats()}

SCREEN = (1920, 1080)


def write(folder, content, name="gaze.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        read_gaze(path, **options)
    message = str(caught.value)
    assert str(path) in message and message.isprintable() and len(message) < 900
    return message


def pro_lab(people=(("P01", "Recording1", 0.25),), unit=" [ms]", factor=1000.0, times=TIMES, **more) -> str:
    header = ["Recording timestamp" + unit, "Participant name", "Recording name", *more]
    header += ["Gaze point X [DACS px]", "Gaze point Y [DACS px]"]
    rows = ["\t".join(header)]
    for person, name, x in people:
        rows += ["\t".join([f"{t * factor:.0f}", person, name, *more.values(), f"{x * 1920:g}", "540"]) for t in times]
    return "\n".join(rows) + "\n"


def plain(x, y, header="time_s,x,y", times=TIMES) -> str:
    cells = zip(times, np.broadcast_to(x, times.shape), np.broadcast_to(y, times.shape))
    return header + "\n" + "".join(f"{t:.4f},{a},{b}\n" for t, a, b in cells)
