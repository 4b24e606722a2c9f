"""Gaze as a file has it, and what declares a format of such files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.gaze.table import Header, Table


@dataclasses.dataclass(frozen=True)
class Event:
    """A mark in a recording: the start of a stimulus, a message, a key.

    Attributes:
        time_s: tracker clock, s. text: what the file says.
    """

    time_s: float
    text: str


@dataclasses.dataclass(frozen=True)
class RawGaze:
    """One row per sample; event rows are in `events`.

    Attributes:
        time_s: float64 [n], tracker clock, s.
        x, y: float64 [n], NaN where missing; pixels of the screen or normalised to it,
            origin top left.
        in_pixels: which of the two.
        screen_px: (width, height) that the file states, or None.
        unit: the unit that the file's clock was read in, for messages.
        events: in the order of the file.
        media: names of what was shown, where the file has them.
        scene: why the points are not on a screen ("" if they are).
        fixations: rows were fixations, repeated for as long as they lasted.
    """

    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    in_pixels: bool
    screen_px: tuple[int, int] | None = None
    unit: str = "s"
    events: tuple[Event, ...] = ()
    media: tuple[str, ...] = ()
    scene: str = ""
    fixations: bool = False


@dataclasses.dataclass(frozen=True)
class GazeText:
    """A gaze file, decoded: its path and its lines without line ends."""

    path: Path
    lines: list[str]


Example = Callable[[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GazeFormat:
    """What every format has; a module of `data.gaze.formats` holds one as `FORMAT`.

    Attributes:
        name: as reports show it.
        tool: the software that writes it. export: what to export there.
        example: from `time_s`, `x`, `y` [n] (normalised to the screen, NaN where missing) and
            the screen's (width, height) to the text of a file. The tests read it back.
        rank: formats of a lower rank are tried first; 0 unless the header is little particular.
    """

    name: str
    tool: str
    export: str
    example: Example
    rank: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableFormat(GazeFormat):
    """A table with a header.

    Attributes:
        signature: the header must have one column of each group; lower case.
        optional: further columns that `parse` reads where they are there.
        further: from the header to the names of columns that `parse` reads as text and that no list of names covers.
        texts: those of all these columns that hold no numbers: a comma in an event's name says
            nothing of the decimal sign.
        marks: those that hold events under the name of a column of recordings, by which none is selected.
        parse: from the table of these columns to samples.
        clock_restarts: each medium starts the clock again, so that several in one file
            are several recordings.
        ragged: rows may end early (messages among samples); what is not there is empty.
    """

    signature: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    further: Callable[[Header], tuple[str, ...]] = lambda header: ()
    texts: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    parse: Callable[[Table], RawGaze]
    clock_restarts: bool = False
    ragged: bool = False

    def matches(self, header: Header) -> bool:
        """Whether a header is of this format."""
        return all(any(name in header for name in group) for group in self.signature)

    @property
    def columns(self) -> tuple[str, ...]:
        """All the columns that `parse` may read."""
        groups = (*self.signature, self.optional)
        return tuple(dict.fromkeys(name for group in groups for name in group))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextFormat(GazeFormat):
    """Anything else that is text: lines of several kinds, JSON.

    Attributes:
        recognise: from the first lines, whether a file is of this format.
        parse: from the whole file to (rows of data, samples).
    """

    recognise: Callable[[list[str]], bool]
    parse: Callable[[GazeText], tuple[int, RawGaze]]
