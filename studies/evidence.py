"""Tables and a figure of stored results: what each arm reaches, how it differs from the others, what has not run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from common.errors import InputError
from evaluation.figures import PALETTE
from studies.declare import split_name
from studies.folds import fold_paragraphs
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
    """One line an arm, in Markdown: mean ± sd over its seeds, the interval over seeds and patients."""
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
    """One line a claim: paired difference in percentage points, its interval, p and Holm's p over all of the claims."""
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
    """Accuracy over labelled patients, one line an arm with a band of ± sd over seeds; and all arms of one table.

    Raises:
        InputError: nothing has run, or an ending that no picture has.
    """
    tables = [stored for stored in tables if stored.index["trainings"] and not stored.index.get("fold_of")]
    budgets = {about["labelled_patients"] for stored in tables for about in stored.index["arms"].values()}
    with picture(path, 9.5 if len(budgets) > 1 else 6.0, 4.2) as figure:
        if not tables:
            raise InputError(f"{path}: no training of these results has run: there is nothing to draw")
        if len(budgets) > 1:
            over, beside = figure.subplots(1, 2, width_ratios=(1.1, 1))
            _draw_over_patients(over, tables)
        else:  # one budget of labels makes no line
            beside = figure.subplots()
        _draw_arms(beside, max(tables, key=lambda stored: len(stored.index["trainings"])))


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
    arms = [arm for arm in stored.index["arms"] if stored.seeds(arm)]
    most, names = max(len(stored.seeds(arm)) for arm in arms), []
    for place, arm in enumerate(arms):
        counts = stored.counts(arm)
        assert counts is not None
        low, high = interval(counts)
        colour = "0.5" if stored.index["arms"][arm]["is_teacher"] else PALETTE[0]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
        accuracies = counts.accuracies()
        axes.plot(accuracies, np.full(len(accuracies), place), "o", color=colour, markersize=3, alpha=0.5)
        # A hollow mark and a note where fewer seeds have run: such an interval is over patients alone, or nearly so.
        full = len(accuracies) == most
        axes.plot(
            accuracies.mean(), place, "D", color=colour, markersize=5, markerfacecolor=colour if full else "white"
        )
        names.append(stored.index["arms"][arm]["model"] + ("" if full else f", seeds: {len(accuracies)} of {most}"))
    axes.set_yticks(range(len(arms)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(f"accuracy\n{stored.index['title']}")
