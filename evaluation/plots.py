"""Figures of an evaluation, each as PNG and as SVG."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from common.console import console
from common.files import whole_file
from evaluation.calibration import draw_calibration
from evaluation.curves import draw_curves
from evaluation.figures import (
    draw_accuracy_size,
    draw_confusions,
    draw_precision_recall,
    draw_reliability,
    simulated,
)
from evaluation.history import history_file, read_history
from evaluation.report import Evaluation
from evaluation.sheet import draw_sheet

FORMATS = ("png", "svg")
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.dpi": 140,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched and edited
    "svg.hashsalt": "evaluation",  # the same figure gives the same file
}


def write_plots(folder: str | os.PathLike, evaluation: Evaluation, run: str | os.PathLike | None = None) -> list[Path]:
    """Write all the figures that can be drawn, as PNG and SVG; say which can't be and why.

    Args:
        folder: made if it is not there; figures of the same name are replaced.
        evaluation: from `run_evaluation`.
        run: run folder whose `history.csv` gives the training curves; without it, the
            first artefact's run folder is looked for above the artefact.

    Returns:
        Paths written: confusion, precision_recall, reliability, calibration, accuracy_size, curves, maps.

    Raises:
        InputError: `run` has no readable history.csv, or the folder can't be written.
    """
    folder = Path(folder)
    written: list[Path] = []
    report, data = evaluation.report, evaluation.data
    history = history_file(evaluation.artefacts, run)
    # Read first: a wrong run is refused before anything is drawn.
    curves = read_history(history) if history else None

    @contextmanager
    def figure_of(name: str) -> Iterator[Figure]:
        with matplotlib.rc_context(STYLE):
            figure = Figure(layout="constrained")
            yield figure
            for ending in FORMATS:
                path = folder / f"{name}.{ending}"
                with whole_file(path) as temporary:
                    figure.savefig(temporary, metadata={"Date": None} if ending == "svg" else None)
                figure.set_layout_engine("none")  # all formats have the layout of the first
                written.append(path)

    with figure_of("confusion") as figure:
        draw_confusions(figure, report)
    with figure_of("precision_recall") as figure:
        draw_precision_recall(figure, report, evaluation.tables, data.classes)
    with figure_of("reliability") as figure:
        draw_reliability(figure, report, evaluation.tables, data.classes)
    with figure_of("calibration") as figure:
        draw_calibration(figure, report, evaluation.tables, data.classes)
    with figure_of("accuracy_size") as figure:
        draw_accuracy_size(figure, report)
    if curves is None or history is None:
        console.print("no training curves: no history.csv above the artefacts (name a run folder as run)")
    else:
        with figure_of("curves") as figure:
            draw_curves(figure, curves, f"Training — {history.parent.name}{simulated(report)}")
    with figure_of("maps") as figure:
        draw_sheet(figure, evaluation)
    return written
