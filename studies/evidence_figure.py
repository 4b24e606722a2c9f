"""A figure of stored results: lines over labelled patients, the arms of a table, folds, scanners."""

from __future__ import annotations

import dataclasses
import functools
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from common.errors import InputError
from evaluation.figures import PALETTE
from studies.folds import arm_scores, grouped, over_folds
from studies.picture import picture
from studies.statistics import interval, mean_and_sd
from studies.stored import Stored

_LABEL_WIDTH = 40  # characters
_ABREAST = 4  # panels that a page has space for beside each other


def draw(path: Path, tables: Sequence[Stored]) -> None:
    """Accuracy over labelled patients, one line per arm with a band of ± sd; all arms of a table; folds or scanners.

    Each is a panel of its own, and is left out where nothing of it has run. Lines join tables of the same test frames
    alone. Arms are those of the tables that ask for `shares` or, where none does, of the table with the most trainings.

    Raises:
        InputError: nothing has run, or an ending that no picture has.
    """
    tables = [stored for stored in tables if stored.index["trainings"]]
    folds = grouped(tables)
    tables = [stored for stored in tables if stored.index["claims"] and not stored.index["fold_of"]]
    panels: list[Callable[[Axes], None]] = []
    wide: list[Callable[[Axes], None]] = []  # each with so many bars that it takes a row of its own
    for same in _of_same_frames(tables):
        names, points = _over_patients(same)
        points = {arm: found for arm, found in points.items() if len(found) > 1}  # one budget of labels makes no line
        if points:
            label = f"accuracy, {_tested(same[0])}"
            panels.append(functools.partial(_draw_over_patients, names=names, points=points, label=label))
    if tables:
        largest = max(tables, key=lambda stored: len(stored.index["trainings"]))
        asked = [stored for stored in tables if stored.index["shares"] and len(stored.index["trainings"]) > 1]
        panels += [functools.partial(_draw_arms, stored=stored) for stored in asked or [largest]]
    for parts in folds.values():
        if parts[0].index["positive"]:
            panels.append(functools.partial(_draw_folds, folds=parts))
        else:
            wide.append(functools.partial(draw_scanners, folds=parts))
    rows = math.ceil(len(panels) / _ABREAST)
    columns = max(1, math.ceil(len(panels) / max(1, rows)), 2 * bool(wide))
    with picture(path, 1.0 + 4.6 * columns, 4.2 * max(1, rows + len(wide))) as figure:
        if not panels + wide:
            raise InputError(f"{path}: no training of these results has run: there is nothing to draw")
        grid = figure.add_gridspec(rows + len(wide), columns)
        for place, fill in enumerate(panels):
            fill(figure.add_subplot(grid[divmod(place, columns)]))
        for row, fill in enumerate(wide, start=rows):
            fill(figure.add_subplot(grid[row, :]))


def _of_same_frames(tables: Sequence[Stored]) -> list[list[Stored]]:
    found: list[list[Stored]] = []
    for stored in tables:
        same = next((group for group in found if group[0].frames.equals(stored.frames)), None)
        if same is None:
            found.append([stored])
        else:
            same.append(stored)
    return found


def _tested(stored: Stored) -> str:
    return stored.index["note"] or "simulated patients"


# Of each arm: labelled patients, mean accuracy, its standard deviation.
_Points = dict[str, list[tuple[float, float, float]]]


def _over_patients(tables: Sequence[Stored]) -> tuple[dict[str, str], _Points]:
    """Names of the students that have run, and where they stand."""
    points: _Points = {}
    names = {}
    for stored in tables:
        for arm, about in stored.index["arms"].items():
            counts = stored.counts(arm)
            if counts is None or about["is_teacher"] or about["labelled_patients"] is None:
                continue
            mean, sd = mean_and_sd(counts.accuracies())
            points.setdefault(arm, []).append((float(about["labelled_patients"]), mean, np.nan_to_num(sd)))
            names[arm] = about["model"]
    return names, points


def _draw_over_patients(axes: Axes, names: Mapping[str, str], points: _Points, label: str) -> None:
    for place, (arm, found) in enumerate(points.items()):
        patients, mean, sd = np.array(sorted(found)).T
        colour = PALETTE[place % len(PALETTE)]
        axes.plot(patients, mean, "o-", color=colour, label=names[arm], markersize=4)
        axes.fill_between(patients, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    ticks = sorted({patients for found in points.values() for patients, *_ in found})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("labelled patients")
    axes.set_ylabel(label)
    axes.legend(fontsize=7, loc="best")


def _draw_arms(axes: Axes, stored: Stored) -> None:
    lines = []
    for arm, about in stored.index["arms"].items():
        counts = stored.counts(arm)
        if counts is not None:
            accuracies = counts.accuracies()
            lines.append(_Line(about, accuracies, float(accuracies.mean()), interval(counts)))
    _forest(axes, lines, "seeds", f"accuracy, {_tested(stored)}\n{stored.index['title']}")


def _draw_folds(axes: Axes, folds: Sequence[Stored]) -> None:
    lines, index = [], folds[0].index
    for arm, about in index["arms"].items():
        scores = arm_scores(folds, arm)
        if len(scores.values):
            mean, low, high = over_folds(scores)
            lines.append(_Line(about, scores.by_fold().to_numpy(), mean, (low, high)))
    _forest(axes, lines, "folds", f"area under the ROC curve of each fold\n{index['note'] or index['fold_of']}")


def draw_scanners(axes: Axes, folds: Sequence[Stored]) -> None:
    """A group of bars per fold, a bar per arm that has run on all of them, with its interval."""
    index = folds[0].index
    scores = {arm: found for arm in index["arms"] if len((found := arm_scores(folds, arm)).by_fold()) == len(folds)}
    width = 0.8 / max(1, len(scores))
    for place, (arm, found) in enumerate(scores.items()):
        each = [over_folds(one) for one in found.single_folds()]
        mean, low, high = np.array(each).T
        left = np.arange(len(folds)) + (place - (len(scores) - 1) / 2) * width
        look: dict[str, Any] = {"color": PALETTE[place % len(PALETTE)], "edgecolor": "white", "linewidth": 0}
        if place >= len(PALETTE):  # a second round through the colours
            look["hatch"] = "/////"
        axes.bar(left, mean, width, label=index["arms"][arm]["model"], **look)
        axes.errorbar(left, mean, [mean - low, high - mean], fmt="none", ecolor="0.25", elinewidth=0.9)
    axes.set_xticks(range(len(folds)), [fold.index["title"] for fold in folds], fontsize=8)
    axes.margins(x=0.01)
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"accuracy (bars: 95 % interval)\n{index['note'] or index['fold_of']}")
    axes.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)


@dataclasses.dataclass(frozen=True)
class _Line:
    about: Mapping[str, Any]
    values: np.ndarray  # of each seed or fold
    mean: float
    interval: tuple[float, float]


def _far_below(lines: Sequence[_Line]) -> _Line | None:
    """A line further below all others than these lie apart, which would squeeze them; None if there is none."""
    reach = [(min(*line.interval, *line.values), max(*line.interval, *line.values)) for line in lines]
    lowest = min(range(len(lines)), key=lambda index: reach[index])
    others = reach[:lowest] + reach[lowest + 1 :]
    if not others:
        return None
    low, high = min(each[0] for each in others), max(each[1] for each in others)
    return lines[lowest] if low - reach[lowest][1] > high - low else None


def _forest(axes: Axes, lines: Sequence[_Line], repeated: str, label: str) -> None:
    """One line per arm: its interval, each of its repetitions, its mean."""
    most, names = max(len(line.values) for line in lines), []
    far = _far_below(lines)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    for place, line in enumerate(lines):
        colour = "0.5" if line.about["is_teacher"] else PALETTE[0]
        if line is far:
            # From the left edge, at the height of its line.
            text = {"color": colour, "fontsize": 7, "verticalalignment": "center"}
            axes.text(0.01, place, f"← {line.mean:.3f}", fontdict=text, transform=axes.get_yaxis_transform())
            names.append(line.about["model"])
            continue
        axes.plot(line.interval, [place, place], color=colour, linewidth=1.2)
        axes.plot(line.values, np.full(len(line.values), place), "o", color=colour, markersize=3, alpha=0.5)
        # A hollow mark and a note where fewer have run: such an interval is over patients alone, or nearly so.
        full = len(line.values) == most
        axes.plot(line.mean, place, "D", color=colour, markersize=5, markerfacecolor=colour if full else "white")
        names.append(line.about["model"] + ("" if full else f", {repeated}: {len(line.values)} of {most}"))
    axes.set_yticks(range(len(lines)), names, fontsize=7)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    # The layout gives a label the width of its axes, and cuts what is wider at the figure's edge.
    axes.set_xlabel("\n".join(part for line in label.splitlines() for part in textwrap.wrap(line, _LABEL_WIDTH)))
