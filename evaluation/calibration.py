"""The calibration figure: reliability and risk-coverage of all artefacts together, over all classes and for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.classification import labelled, probability_array
from evaluation.decision import risk_coverage
from evaluation.figures import PALETTE, Report, figure_title
from evaluation.table import short_name

BINS = 10
_LEAST_IN_BIN = 5


def draw_calibration(figure: Figure, report: Report, tables: Sequence[pd.DataFrame], classes: Sequence[str]) -> None:
    """Upper row: how often it is right over what it says; lower row: risk of what is kept over coverage.

    The first column is of the answers: the greatest probability, and whether it is right. The column of a
    class is above of the class's probability in every frame, and whether the frame is of that class; below
    of the frames that are answered with it. One line per artefact, float and 8-bit on the same axes; a cross
    marks the threshold that the artefact's metadata holds.
    """
    rows, columns = report["artefacts"], ["all answers", *classes]
    figure.set_size_inches(2.5 * len(columns) + 0.6, 6.0)
    figure.suptitle(figure_title(report, "Calibration"))
    axes = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    paths = [row["path"] for row in rows]
    for number, (row, table) in enumerate(zip(rows, tables)):
        known = labelled(table)
        probabilities, label = probability_array(known, classes), known["label"].to_numpy()
        look = {"color": PALETTE[number % len(PALETTE)], "label": short_name(row["path"], paths)}
        look["linestyle"] = "-" if number < len(PALETTE) else "--"
        confidence, answered = probabilities.max(axis=1), probabilities.argmax(axis=1)
        threshold = row.get("selective", {}).get("threshold")
        _draw_reliability(axes[0, 0], confidence, answered == label, look)
        _draw_risk(axes[1, 0], confidence, answered == label, threshold, look)
        for k in range(len(classes)):
            _draw_reliability(axes[0, k + 1], probabilities[:, k], label == k, look)
            own = answered == k
            _draw_risk(axes[1, k + 1], confidence[own], label[own] == k, threshold, look)
    _finish(axes, columns)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(rows)), fontsize=8)


def _draw_reliability(axis: Axes, said: np.ndarray, true: np.ndarray, look: dict) -> None:
    """Share that is true over the mean probability, in bins of equal width with at least five frames."""
    which = np.clip(np.ceil(said * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(which, minlength=BINS)
    used = count >= _LEAST_IN_BIN
    means = [np.bincount(which, weights=values, minlength=BINS)[used] / count[used] for values in (said, true)]
    axis.plot(*means, marker="o", markersize=3.5, linewidth=1.3, **look)


def _draw_risk(axis: Axes, confidence: np.ndarray, right: np.ndarray, threshold: float | None, look: dict) -> None:
    if not len(confidence):
        return
    curve = risk_coverage(confidence, right)
    axis.step(100 * curve["coverage"], 100 * curve["risk"], where="post", linewidth=1.3, **look)
    if threshold is not None and (kept := confidence >= threshold).any():
        risk = 100 * float(np.mean(~right[kept]))
        axis.plot(100 * float(kept.mean()), risk, marker="x", markersize=7, markeredgewidth=2, color=look["color"])


def _finish(axes: np.ndarray, columns: Sequence[str]) -> None:
    for axis, name in zip(axes[0], columns):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", zorder=1)
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)
        axis.set_title(name)
        axis.set_xlabel("probability")
    for axis in axes[1]:
        axis.set_xlim(0, 102)
        axis.set_xlabel("coverage, % kept")
    axes[1, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel("share that is true")
    axes[1, 0].set_ylabel("risk, % wrong of what is kept")
    for axis in axes.ravel():
        axis.grid(alpha=0.3)
