"""Event rows of a table: starts of stimuli, sync marks, keys, with their times."""

from __future__ import annotations

import numpy as np

from data.gaze.clock import UNITS_S
from data.gaze.raw import Event
from data.gaze.table import Table


def table_events(table: Table, time: str, unit: str, *columns: str) -> tuple[Event, ...]:
    """The rows of a table in which one of some columns says something.

    Args:
        table: with its event rows. time: its column of times, `unit` their unit.
        columns: of which all that are not empty make an event's text.
    """
    columns = tuple(column for column in columns if table.has(column))
    if not columns:
        return ()
    marked = table.where(~table.blank(*columns) & ~table.blank(time))
    times = marked.numbers(time) * UNITS_S[unit] if len(marked) else np.zeros(0)
    texts = (" ".join(text for text in row if text) for row in zip(*(marked.cells[column] for column in columns)))
    return tuple(Event(float(time_s), text) for time_s, text in zip(times, texts))
