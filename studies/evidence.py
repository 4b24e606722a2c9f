"""Tables and a figure of stored results: what each arm reaches, how it differs from the others, what has not run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from common.errors import InputError
from evaluation.figures import PALETTE
from studies.declare import split_name
from studies.folds import arm_scores, fold_paragraphs, over_folds
from studies.page import markdown
from studies.picture import picture
from studies.statistics import Difference, holm, interval, mean_and_sd, paired_difference
from studies.stored import Stored


def blocks(tables: Sequence[Stored]) -> dict[str, list[str]]:
    """{name: what a page says of it}, by table; folds of one comparison have one name."""
    found: dict[str, list[str]] = {}
    folds: dict[str, list[Stored]] = {}
    for stored in tables:
        if stored.index.get("fold_of"):
            folds.setdefault(stored.index["fold_of"], []).append(stored)
        else:
            found[stored.folder.name] = paragraphs(stored)
    return {**found, **{name: fold_paragraphs(parts) for name, parts in folds.items()}}


def paragraphs(stored: Stored) -> list[str]:
    """What a page says of stored results."""
    if not stored.index["trainings"]:
        return [left_over(stored)]
    return [arm_table(stored), claim_table(stored), left_over(stored)]


def arm_table(stored: Stored) -> str:
    """One line per arm, in Markdown: mean ± sd over its seeds, the interval over seeds and patients."""
    lines = [["arm", "trainings", "accuracy, mean ± sd over seeds", "95 % over seeds and patients", "of each seed"]]
    for arm, about in stored.index["arms"].items():
        counts = stored.counts(arm)
        if counts is None:
            lines.append([about["model"], "0", "not run", "", ""])
            continue
        accuracies = counts.accuracies()
        mean, sd = mean_and_sd(accuracies)
        low, high = interval(counts)
        spread = f"{mean:.3f} ± {sd:.3f}" if len(accuracies) > 1 else f"{mean:.3f} (one training)"
        each = " ".join(f"{value:.3f}" for value in accuracies)
        lines.append([about["model"], str(len(accuracies)), spread, f"{low:.3f} to {high:.3f}", each])
    return markdown(lines)


def claim_table(stored: Stored) -> str:
    """One line per claim: paired difference in percentage points, its interval, p and Holm's p over all claims."""
    found = differences(stored)
    adjusted = holm({name: difference.p for name, difference in found.items()})
    lines = [
        ["better", "than", "pairs", "difference, percentage points", "95 % over seeds and patients", "p", "p, Holm"]
    ]
    for better, other in stored.index["claims"]:
        names = [stored.index["arms"][arm]["model"] for arm in (better, other)]
        difference = found.get(f"{better} > {other}")
        cells = ["0", "not run", "", "", ""]
        if difference:
            points = [100 * value for value in (difference.mean, difference.low, difference.high)]
            cells = [str(difference.seeds), f"{points[0]:+.1f}", f"{points[1]:+.1f} to {points[2]:+.1f}"]
            cells += [f"{difference.p:.4f}", f"{adjusted[f'{better} > {other}']:.4f}"]
        lines.append([*names, *cells])
    return markdown(lines)


def differences(stored: Stored) -> dict[str, Difference]:
    """{"better > other": how they differ} of the claims whose arms have run with a seed in common."""
    found = {}
    for better, other in stored.index["claims"]:
        one, two = stored.counts(better), stored.counts(other)
        if one is not None and two is not None and set(one.seeds) & set(two.seeds):
            found[f"{better} > {other}"] = paired_difference(one, two)
    return found


def left_over(stored: Stored) -> str:
    """One sentence: the trainings of the plan that have no stored result."""
    planned, ran = stored.index["planned"], stored.index["trainings"]
    if not ran:
        return f"None of the {len(planned)} planned trainings has run."
    seeds: dict[str, list[int]] = {}
    for arm, seed in (split_name(name) for name in planned if name not in ran):
        seeds.setdefault(arm, []).append(seed)
    if not seeds:
        return f"All {len(planned)} planned trainings have run."
    arms = ", ".join(f"{arm} (seeds {', '.join(map(str, missing))})" for arm, missing in seeds.items())
    return f"{sum(map(len, seeds.values()))} of {len(planned)} planned trainings have not run: {arms}."


def draw(path: Path, tables: Sequence[Stored]) -> None:
    """Accuracy over labelled patients, one line per arm with a band of ± sd; all arms of one table; folds.

    Each is a panel of its own, and is left out where nothing of it has run.

    Raises:
        InputError: nothing has run, or an ending that no picture has.
    """
    tables = [stored for stored in tables if stored.index["trainings"]]
    folds: dict[str, list[Stored]] = {}
    for stored in tables:
        if stored.index.get("fold_of"):
            folds.setdefault(stored.index["fold_of"], []).append(stored)
    tables = [stored for stored in tables if not stored.index.get("fold_of")]
    budgets = {about["labelled_patients"] for stored in tables for about in stored.index["arms"].values()}
    panels: list[Callable[[Axes], None]] = []
    if len(budgets) > 1:  # one budget of labels makes no line
        panels.append(lambda axes: _draw_over_patients(axes, tables))
    if tables:
        panels.append(lambda axes: _draw_arms(axes, max(tables, key=lambda stored: len(stored.index["trainings"]))))
    panels += [functools.partial(_draw_folds, folds=parts) for parts in folds.values()]
    with picture(path, 1.0 + 4.6 * max(1, len(panels)), 4.2) as figure:
        if not panels:
            raise InputError(f"{path}: no training of these results has run: there is nothing to draw")
        for axes, fill in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
            fill(axes)


def _draw_over_patients(axes: Axes, tables: Sequence[Stored]) -> None:
    points: dict[str, list[tuple[float, float, float]]] = {}
    names = {}
    for stored in tables:
        for arm, about in stored.index["arms"].items():
            counts = stored.counts(arm)
            if counts is None or about["is_teacher"] or about["labelled_patients"] is None:
                continue
            mean, sd = mean_and_sd(counts.accuracies())
            points.setdefault(arm, []).append((float(about["labelled_patients"]), mean, np.nan_to_num(sd)))
            names[arm] = about["model"]
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
    axes.set_ylabel("accuracy, simulated test patients")
    axes.legend(fontsize=7, loc="best")


def _draw_arms(axes: Axes, stored: Stored) -> None:
    lines = []
    for arm, about in stored.index["arms"].items():
        counts = stored.counts(arm)
        if counts is not None:
            accuracies = counts.accuracies()
            lines.append(_Line(about, accuracies, float(accuracies.mean()), interval(counts)))
    _forest(axes, lines, "seeds", f"accuracy, simulated patients\n{stored.index['title']}")


def _draw_folds(axes: Axes, folds: Sequence[Stored]) -> None:
    lines, index = [], folds[0].index
    for arm, about in index["arms"].items():
        scores = arm_scores(folds, arm)
        if scores.by_fold:
            mean, low, high = over_folds(scores)
            lines.append(_Line(about, np.array([each.mean() for each in scores.by_fold.values()]), mean, (low, high)))
    what = "area under the ROC curve" if index["positive"] else "accuracy"
    _forest(axes, lines, "folds", f"{what} of each fold\n{index['note'] or index['fold_of']}")


@dataclasses.dataclass(frozen=True)
class _Line:
    about: Mapping[str, Any]
    values: np.ndarray  # of each seed or fold
    mean: float
    interval: tuple[float, float]


def _forest(axes: Axes, lines: Sequence[_Line], repeated: str, label: str) -> None:
    """One line per arm: its interval, each of its repetitions, its mean."""
    most, names = max(len(line.values) for line in lines), []
    for place, line in enumerate(lines):
        colour = "0.5" if line.about["is_teacher"] else PALETTE[0]
        axes.plot(line.interval, [place, place], color=colour, linewidth=1.2)
        axes.plot(line.values, np.full(len(line.values), place), "o", color=colour, markersize=3, alpha=0.5)
        # A hollow mark and a note where fewer have run: such an interval is over patients alone, or nearly so.
        full = len(line.values) == most
        axes.plot(line.mean, place, "D", color=colour, markersize=5, markerfacecolor=colour if full else "white")
        names.append(line.about["model"] + ("" if full else f", {repeated}: {len(line.values)} of {most}"))
    axes.set_yticks(range(len(lines)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(label)
