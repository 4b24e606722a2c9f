"""Figures of a report: confusion, precision and recall, reliability, accuracy against size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.metrics import average_precision_score, precision_recall_curve

from data.simulation import adjective
from evaluation.classification import ECE_BINS, labelled, probability_array, reliability_bins
from evaluation.compression import compare
from evaluation.table import bytes_text, short_name

# Okabe and Ito's palette: told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX*"

Report = dict[str, Any]


def draw_confusions(figure: Figure, report: Report) -> None:
    """One matrix per artefact, rows are true classes: counts, and below each the percentage of its row."""
    rows, classes = report["artefacts"], report["dataset"]["classes"]
    side = max(2.8, 0.68 * len(classes) + 1.3)
    axes = _grid(figure, len(rows), side + 0.1, side + 0.45)
    figure.suptitle(figure_title(report, "Confusion"))
    image = None
    for axis, row in zip(axes, rows):
        counts = np.array(row["confusion"])
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = axis.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if share[i, j] > 0.55 else "black"
            axis.text(j, i, f"{count}\n{100 * share[i, j]:.0f} %", ha="center", va="center", color=colour, fontsize=8)
        axis.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(classes)), classes)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")
        axis.spines[:].set_visible(False)
        axis.set_title(f"{_name(row, report)}\naccuracy {100 * row['accuracy']:.1f} %")
    if image is not None:
        figure.colorbar(image, ax=axes[: len(rows)], label="% of the true class", shrink=0.6, pad=0.02)


def draw_precision_recall(
    figure: Figure, report: Report, tables: Sequence[pd.DataFrame], classes: Sequence[str]
) -> None:
    """One panel per artefact: precision over recall of each class against the rest, with average precision."""
    rows = report["artefacts"]
    axes = _grid(figure, len(rows), 3.3, 3.5)
    figure.suptitle(figure_title(report, "Precision and recall of each class"))
    for axis, row, table in zip(axes, rows, tables):
        frames = labelled(table)
        probabilities, label = probability_array(frames, classes), frames["label"].to_numpy()
        for k, name in enumerate(classes):
            colour, dashes = PALETTE[k % len(PALETTE)], "-" if k < len(PALETTE) else "--"
            if not (label == k).any():
                axis.plot([], [], color=colour, linestyle=dashes, label=f"{name} (no frame)")
                continue
            precision, recall, _ = precision_recall_curve(label == k, probabilities[:, k])
            average = average_precision_score(label == k, probabilities[:, k])
            axis.step(
                recall, precision, where="post", color=colour, linestyle=dashes, label=f"{name} (AP {average:.3f})"
            )
        axis.set_xlim(0, 1.02)
        axis.set_ylim(0, 1.02)
        axis.set_xlabel("recall")
        axis.set_ylabel("precision")
        axis.set_title(_name(row, report))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="best")


def draw_reliability(figure: Figure, report: Report, tables: Sequence[pd.DataFrame], classes: Sequence[str]) -> None:
    """One panel per artefact: accuracy over confidence in bins, as wide as those of the calibration error.

    The area of a dot is the share of the frames in its bin; the bars run to the diagonal and
    are the gaps that the expected calibration error averages.
    """
    rows = report["artefacts"]
    axes = _grid(figure, len(rows), 3.2, 3.4)
    figure.suptitle(figure_title(report, "Reliability"))
    for axis, row, table in zip(axes, rows, tables):
        frames = labelled(table)
        bins = reliability_bins(probability_array(frames, classes), frames["label"].to_numpy())
        used = bins["count"] > 0
        confidence, accuracy = bins["confidence"][used], bins["accuracy"][used]
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--", zorder=1)
        axis.vlines(confidence, np.minimum(confidence, accuracy), np.maximum(confidence, accuracy), color=PALETTE[1])
        share = bins["count"][used] / bins["count"].sum()
        axis.scatter(confidence, accuracy, s=12 + 240 * share, color=PALETTE[0], alpha=0.85, zorder=3)
        axis.set_xlim(0, 1.04)
        axis.set_ylim(0, 1.04)
        axis.set_aspect("equal")
        axis.set_xlabel(f"confidence, {ECE_BINS} bins")
        axis.set_ylabel("accuracy")
        axis.grid(alpha=0.3)
        axis.set_title(f"{_name(row, report)}\nECE {row['ece']:.3f}, {row['n_frames']} frames")


def draw_accuracy_size(figure: Figure, report: Report) -> None:
    """Accuracy with its interval over bytes on disk, on a logarithmic axis, with both compression ratios."""
    rows = report["artefacts"]
    figure.set_size_inches(7.6, 4.4)
    axis = figure.subplots()
    axis.set_xscale("log")
    sizes = [row["bytes"] for row in rows]
    conventional = report["conventional"]["name"]
    for k, row in enumerate(rows):
        accuracy = 100 * row["accuracy"]
        low, high = (100 * end for end in row["accuracy_ci95"] or [row["accuracy"]] * 2)
        # The point estimate can lie outside its bootstrap interval by rounding, never by meaning.
        error = [[max(accuracy - low, 0)], [max(high - accuracy, 0)]]
        to_teacher, to_conventional, _ = compare(row, report).texts()
        ratios = [(to_conventional, conventional), (to_teacher, "its teacher")]
        compression = ", ".join(f"{ratio}× to {name}" for ratio, name in ratios if ratio)
        axis.errorbar(
            row["bytes"],
            accuracy,
            error,
            color=PALETTE[k % len(PALETTE)],
            marker=_MARKERS[k % len(_MARKERS)],
            markersize=7,
            capsize=3,
            linestyle="none",
            label=f"{_name(row, report)}: {bytes_text(row['bytes'])}\n{compression}",
        )
    axis.set_xlim(min(sizes) / 2, max(sizes) * 2)
    # One label a decade is too few to read a narrow range by.
    steps = (1,) if max(sizes) > 20 * min(sizes) else (1, 2, 5)
    axis.xaxis.set_major_locator(LogLocator(subs=steps))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(lambda value, _: bytes_text(value).replace(".00", ""))
    axis.set_xlabel("size on disk")
    axis.set_ylabel("accuracy, % (bars: 95 % interval over patients)")
    axis.grid(alpha=0.3)
    title = figure_title(report, "Accuracy against size")
    axis.set_title(f"{title}\ncompression: their float32 weights over the artefact's bytes", loc="left")
    figure.legend(loc="outside right upper", fontsize=7.5, labelspacing=0.9)


def figure_title(report: Report, what: str) -> str:
    """What a figure shows, of which data set; simulated data is called so on every figure."""
    data = report["dataset"]
    return f"{what} — {Path(data['path']).name}, {data['split']} split{simulated(report)}"


def simulated(report: Report) -> str:
    """Nobody may take a figure of simulated data for one of patients."""
    kind = adjective(report["dataset"]["simulated"])
    return f", {kind}data" if kind else ""


def _grid(figure: Figure, panels: int, width: float, height: float) -> list[Axes]:
    """At most three panels in a line, each of `width` by `height` inches; spare ones are hidden."""
    columns = min(3, panels)
    lines = math.ceil(panels / columns)
    figure.set_size_inches(columns * width + 0.6, lines * height + 0.45)
    axes = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axis in axes[panels:]:
        axis.set_visible(False)
    return axes


def _name(row: dict[str, Any], report: Report) -> str:
    return short_name(row["path"], [other["path"] for other in report["artefacts"]])
