"""Risk over coverage: what is gained by rejecting the least confident frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from evaluation.classification import labelled, probability_array
from evaluation.decision import risk_coverage
from evaluation.figures import PALETTE, figure_title
from evaluation.table import short_name


def draw_risk(
    figure: Figure, report: Mapping[str, Any], tables: Sequence[pd.DataFrame], classes: Sequence[str]
) -> None:
    """One line per artefact: the share of misclassified frames among the kept ones, over the share that is kept.

    A cross is what the threshold does that the artefact carries.
    """
    figure.set_size_inches(6.4, 3.6)
    axis = figure.subplots()
    paths = [row["path"] for row in report["artefacts"]]
    for number, (row, table) in enumerate(zip(report["artefacts"], tables)):
        frames = labelled(table)
        probabilities = probability_array(frames, classes)
        curve = risk_coverage(probabilities.max(axis=1), probabilities.argmax(axis=1) == frames["label"].to_numpy())
        colour, label = PALETTE[number % len(PALETTE)], short_name(row["path"], paths)
        axis.step(100 * curve["coverage"], 100 * curve["risk"], where="post", color=colour, label=label)
        kept = row.get("selective", {})
        if kept.get("coverage") and kept.get("accuracy") is not None:
            axis.plot(100 * kept["coverage"], 100 - 100 * kept["accuracy"], "x", color=colour, markersize=8, mew=2)
    axis.set_xlim(0, 101)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("coverage: frames that are kept, %")
    axis.set_ylabel("risk: wrong among them, %")
    axis.set_title(figure_title(dict(report), "Risk and coverage"), loc="left")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
