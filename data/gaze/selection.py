"""One recording of a file that may hold several: of people, sessions or media."""

from __future__ import annotations

import re

import numpy as np

from common.errors import InputError
from data.gaze.table import Header, Table
from data.text_files import printable

# Names of columns, letters and digits alone.
_RECORDINGS = frozenset(
    (
        "recording", "recordingname", "recordingid", "recordinguuid", "participant", "participantname",
        "participantid", "participantno", "participantnumber", "subject", "subjectname", "subjectid",
        "subjectno", "subjectnr", "subjectnumber", "respondent", "respondentname", "respondentid", "session",
        "sessionid", "sessionname", "sessionlabel", "sessionnumber", "recordingsession", "recordingsessionlabel",
        "user", "username", "userid", "patient", "patientid", "observer", "observerid", "reader", "readerid",
        "sectionid", "filename", "sourcefile", "dicomid", "recordingdate", "recordingstarttime", "participantcode",
        "participantlabel", "subj", "subjid", "subjectcode", "subjectlabel", "currentsubject", "ppid", "pid",
        "person", "personid", "proband", "probandid", "testperson", "testsubject", "volunteer", "operator",
        "operatorid", "sonographer", "sonographerid", "examiner", "examinerid", "radiologist", "radiologistid",
        "clinician", "expert", "expertid", "annotator", "annotatorid", "rater", "raterid", "viewer", "viewerid",
        "run", "runid", "runnumber", "case", "caseid", "exam", "examid",
    )
)  # fmt: skip
_MEDIA = frozenset(
    (
        "media", "mediaid", "medianame", "stimulus", "stimulusname", "stimulusid", "stimuli", "stimuliname",
        "stimuliid", "sourcestimuliname", "stim", "presentedstimulusname", "presentedmedianame", "image",
        "imageid", "imagename", "imagefile", "video", "videoid", "videoname", "videofile", "clip", "clipid",
        "clipname", "img", "imgid", "imgname", "imgfile", "imagepath", "videopath", "picture", "picturename",
        "stimfile", "stimulusfile", "slide", "slidename", "scene", "scenename", "filmname", "movie", "moviename",
        "trial", "trialid", "trialname", "triallabel", "trialnumber", "trialindex", "trialno",
    )
)  # fmt: skip
# What stands in a column of media while none is shown.
_NO_MEDIUM = frozenset({"", "-", "no media", "none", "nan", "n/a", "0_no_media", "eyetracker calibration"})
_SHOWN = 5


def selecting_columns(header: Header) -> tuple[str, ...]:
    """The columns of a header that tell recordings or media apart."""
    return tuple(name for name in header.index if _kind(name))


def select_recording(
    table: Table, recording: str | None, *, clock_known: bool, clock_restarts: bool
) -> tuple[Table, tuple[str, ...]]:
    """The rows of one recording.

    Several people or sessions are refused always. Several media are where the clock starts again
    with each, or where nobody said what the clock shows at the video's first frame.

    Args:
        table: with the columns of `selecting_columns`.
        recording: a value of one of them, or "column=value", several separated by ";".
        clock_known: the tracker's clock at the video's first frame is known.
        clock_restarts: each medium starts the clock again.

    Returns:
        (those rows, the names of the media in them).

    Raises:
        InputError: several and none is named, or one is named that is not there or not alone.
    """
    if recording:
        table = table.where(_named(table, recording))
    media: tuple[str, ...] = ()
    for column in _columns(table):
        values = _values(table, column)
        if len(values) > 1 and (_kind(column) == "recording" or clock_restarts or not clock_known):
            raise _several(table, column, values, clock_restarts)
        if _kind(column) == "media" and len(values) > len(media):
            media = tuple(values)
    return table, media


def _named(table: Table, recording: str) -> np.ndarray:
    """bool [n]: rows of the recording that is named."""
    if (rows := _rows_of(table, recording)) is not None:
        return rows
    keep = np.ones(len(table), bool)
    for part in recording.split(";"):
        column, equals, value = part.partition("=")
        name = column.strip().casefold()
        if equals and name in _columns(table):
            rows = np.array([cell == value.strip() for cell in table.cells[name]], bool)
        else:
            rows = _rows_of(table, part.strip())
        if rows is None or not rows.any():
            raise InputError(f"{table.path}: gaze_recording {printable(part)!r} is not in it: {_choices(table)}")
        keep &= rows
    if not keep.any():
        raise InputError(f"{table.path}: no row is of gaze_recording {printable(recording)!r}: {_choices(table)}")
    return keep


def _rows_of(table: Table, value: str) -> np.ndarray | None:
    """bool [n]: rows with a value in whichever column has it; None where none has."""
    found = {}
    for column in _columns(table):
        rows = np.array([cell == value for cell in table.cells[column]], bool)
        if rows.any():
            found[column] = rows
    # What all rows say tells nothing apart, if another column says it of some rows only.
    telling = {column: rows for column, rows in found.items() if not rows.all()} or found
    if len({rows.tobytes() for rows in telling.values()}) > 1:
        names = [_name(table, column) for column in telling]
        raise InputError(
            f"{table.path}: gaze_recording {printable(value)!r} is in the columns {', '.join(map(repr, names))}: "
            f"write it as {names[0]}={printable(value)}"
        )
    return next(iter(telling.values()), None)


def _several(table: Table, column: str, values: list[str], clock_restarts: bool) -> InputError:
    name = _name(table, column)
    first = printable(values[0], 40)
    cure = f"name one in the manifest's column gaze_recording (--gaze-recording of prepare.py gaze), as {first}"
    if _kind(column) == "media" and not clock_restarts:
        cure += ", or give gaze_offset_s, the tracker's clock at the video's first frame"
    what = "recordings" if _kind(column) == "recording" else "media"
    return InputError(f"{table.path}: holds several {what}: column {name!r} has {_list(values)}: {cure}")


def _choices(table: Table) -> str:
    lists = [f"{_name(table, column)!r} has {_list(_values(table, column))}" for column in _columns(table)]
    return "column " + ", ".join(lists) if lists else "it has no column of recordings, so leave gaze_recording empty"


def _columns(table: Table) -> list[str]:
    # A name in brackets has two entries for one column.
    found = {table.header.index[name]: name for name in table.cells if _kind(name) and name not in table.marks}
    return list(found.values())


def _values(table: Table, column: str) -> list[str]:
    """The values of a column in the order in which they come."""
    values = dict.fromkeys(table.cells[column])
    if _kind(column) == "media":
        return [value for value in values if value.casefold() not in _NO_MEDIUM]
    return [value for value in values if value]


def _list(values: list[str]) -> str:
    shown = ", ".join(repr(printable(value, 40)) for value in values[:_SHOWN])
    return shown + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")


def _name(table: Table, column: str) -> str:
    return printable(table.header.names[table.header.index[column]], 60)


def _kind(name: str) -> str | None:
    letters = re.sub(r"[^a-z0-9]", "", name.casefold())
    return "recording" if letters in _RECORDINGS else "media" if letters in _MEDIA else None
