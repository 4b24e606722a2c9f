"""A table as a picture: errors against bytes; what nothing else beats in both is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from common.errors import InputError
from common.files import whole_file
from data.simulation import adjective
from evaluation.figures import PALETTE
from evaluation.table import bytes_text
from studies.declare import Table
from studies.table import Line

_LEAST = 0.05  # %, where a row without any error is drawn on the logarithmic axis
# What a row is, in the order of the legend: (name, marker).
_KINDS = (("float model", "s"), ("student, no teacher", "o"), ("student, distilled", "D"), ("compressed", "v"))


@contextlib.contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure to draw into, inches; it is written when the block ends well: .svg, .pdf, .png or .jpg.

    Raises:
        InputError: an ending that no picture has, or a folder that can't be written.
    """
    ending = {".jpeg": "jpg"}.get(path.suffix.lower(), path.suffix.lower().lstrip("."))
    if ending not in ("svg", "pdf", "png", "jpg"):
        raise InputError(f"{path}: is no name of a picture: end it with .svg, .pdf, .png or .jpg")
    # A fixed salt and no date: the same results give the same bytes.
    style = {
        "svg.hashsalt": "study",
        "svg.fonttype": "none",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), dpi=140, layout="constrained")
        yield figure
        with whole_file(path) as temporary:
            dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
            figure.savefig(temporary, format=ending, metadata=dated)


def draw_table(path: Path, table: Table, lines: Sequence[Line]) -> None:
    """Draw a table's lines.

    Raises:
        InputError: nothing to draw, or what `picture` raises.
    """
    with picture(path, 8.4, 5.0) as figure:
        if not lines:
            raise InputError(f"{path}: no row of {table.title} has a result yet: `study.py run` makes them")
        _draw(figure, table, lines)


def kind_of(line: Line) -> str:
    """One of the legend's names."""
    if not line.student and not line.row.ensemble:
        return "float model"
    if line.row.compress or line.row.ensemble or line.row.form:  # a form of its own is what compression gave it
        return "compressed"
    alone = not line.row.transfer or line.row.options.get("teacher") == "none"
    return "student, no teacher" if alone else "student, distilled"


def front(lines: Sequence[Line]) -> list[Line]:
    """The rows than which none is both smaller and more accurate, from the smallest on."""
    found: list[Line] = []
    for line in sorted(lines, key=lambda line: (line.bytes, -line.accuracy)):
        if not found or line.accuracy > found[-1].accuracy:
            found.append(line)
    return found


def _draw(figure: Figure, table: Table, lines: Sequence[Line]) -> None:
    axis = figure.subplots()
    axis.set_xscale("log")
    named = front(lines)
    places = {kind: place for place, (kind, _) in enumerate(_KINDS)}
    labels = {kind: kind for kind in places}  # each stands once in the legend
    for line in sorted(lines, key=lambda line: places[kind_of(line)]):
        place = places[kind_of(line)]
        low, high = line.found["accuracy_ci95"] or (line.accuracy, line.accuracy)
        bars = [[max(100 * (high - line.accuracy), 0)], [max(100 * (line.accuracy - low), 0)]]
        x, y = line.bytes, max(100 * (1 - line.accuracy), _LEAST)
        axis.errorbar(
            x,
            y,
            bars,
            color=PALETTE[place],
            marker=_KINDS[place][1],
            markersize=7 if line in named else 5,
            alpha=1.0 if line in named else 0.55,
            elinewidth=0.8,
            linestyle="none",
            label=labels.pop(kind_of(line), None),
        )
        if line in named:
            text = f"{line.row.model}, {line.bytes / 1000:,.0f} kB"
            axis.annotate(text, (x, y), xytext=(6, -11), textcoords="offset points", fontsize=8)
    # Between 98 and 99 % half of the errors go: on a linear axis one would not see it.
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    sizes = [line.bytes for line in lines]
    axis.set_xlim(min(sizes) / 1.5, max(sizes) * 1.5)
    axis.xaxis.set_major_locator(LogLocator(subs=(1,) if max(sizes) > 100 * min(sizes) else (1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda value, _: bytes_text(value).replace(".00", ""))
    for one in (axis.xaxis, axis.yaxis):
        one.set_minor_formatter(NullFormatter())
    axis.set_xlabel("bytes of the file; of a float model its weights, 4 each")
    axis.set_ylabel("misclassified frames, % (bars: 95 % interval over patients)")
    axis.grid(alpha=0.3)
    kind = adjective(lines[0].report["dataset"]["simulated"]).strip()
    axis.set_title(f"{table.title}{f', {kind}' if kind else ''}: {lines[0].found['n_frames']} test frames", pad=24)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8)
