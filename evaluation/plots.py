"""Pictures of a report: confusion matrices, training curves, accuracy against size."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from common.console import console
from common.errors import InputError
from common.files import whole_file
from evaluation.report import Evaluation, scaled, short_name
from evaluation.sheet import draw_sheet

# Okabe and Ito's palette: told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX*"
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "figure.dpi": 140,
    "legend.frameon": False,
}


def write_plots(folder: str | os.PathLike, evaluation: Evaluation, run: str | os.PathLike | None = None) -> list[Path]:
    """Write all the pictures that can be drawn, as PNG; say which can't be and why.

    Args:
        folder: made if it is not there; pictures of the same name are replaced.
        evaluation: from `run_evaluation`.
        run: run folder whose `history.csv` gives the training curves; without it, the
            first artefact's run folder is looked for above the artefact.

    Returns:
        Paths written: confusion.png, accuracy_size.png, curves.png, maps.png.

    Raises:
        InputError: `run` has no readable history.csv, or the folder can't be written.
    """
    folder, written = Path(folder), []
    history = _history_file(evaluation, run)
    # Read first: a wrong --run is refused before anything is drawn.
    curves = read_history(history) if history else None

    @contextmanager
    def picture(name: str) -> Iterator[Figure]:
        with matplotlib.rc_context(_STYLE):
            figure = Figure(layout="constrained")
            yield figure
            with whole_file(folder / name) as temporary:
                figure.savefig(temporary)
        written.append(folder / name)

    with picture("confusion.png") as figure:
        draw_confusions(figure, evaluation.report)
    with picture("accuracy_size.png") as figure:
        draw_accuracy_size(figure, evaluation.report)
    if curves is None:
        console.print("no training curves: no history.csv above the artefacts (name a run folder with --run)")
    else:
        with picture("curves.png") as figure:
            draw_curves(figure, curves, f"Training — {history.parent.name}{_simulated(evaluation.report)}")
    with picture("maps.png") as figure:
        draw_sheet(figure, evaluation, _title(evaluation.report, "Gaze and attention"))
    return written


def draw_confusions(figure: Figure, report: dict) -> None:
    """One matrix per artefact: rows are true classes, shading is the share of a row."""
    rows, classes = report["artefacts"], report["dataset"]["classes"]
    columns = min(3, len(rows))
    lines = math.ceil(len(rows) / columns)
    side = max(2.6, 0.62 * len(classes) + 1.2)
    figure.set_size_inches(columns * side + 0.4, lines * (side + 0.35) + 0.5)
    figure.suptitle(_title(report, "Confusion"))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, row in zip(axes, rows):
        counts = np.array(row["confusion"])
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if share[i, j] > 0.55 else "black"
            axis.text(j, i, str(count), ha="center", va="center", color=colour)
        axis.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(classes)), classes)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")
        axis.spines[:].set_visible(False)
        axis.set_title(f"{_name(row, report)}\naccuracy {100 * row['accuracy']:.1f} %")
    for axis in axes[len(rows) :]:
        axis.set_visible(False)


def draw_accuracy_size(figure: Figure, report: dict) -> None:
    """Accuracy with its interval over bytes on disk, on a logarithmic axis."""
    figure.set_size_inches(7.2, 4.2)
    axis = figure.subplots()
    axis.set_xscale("log")
    sizes = [row["bytes"] for row in report["artefacts"]]
    for k, row in enumerate(report["artefacts"]):
        accuracy = 100 * row["accuracy"]
        low, high = (100 * end for end in row["accuracy_ci95"] or [row["accuracy"]] * 2)
        # The point estimate can lie outside its bootstrap interval by rounding, never by meaning.
        error = [[max(accuracy - low, 0)], [max(high - accuracy, 0)]]
        axis.errorbar(
            row["bytes"],
            accuracy,
            error,
            color=PALETTE[k % len(PALETTE)],
            marker=_MARKERS[k % len(_MARKERS)],
            markersize=7,
            capsize=3,
            linestyle="none",
            label=f"{_name(row, report)}: {scaled(row['bytes'], 1000, (' B', ' kB', ' MB', ' GB'))}",
        )
    axis.set_xlim(min(sizes) / 2, max(sizes) * 2)
    # One figure a decade is too few to read a narrow range by.
    steps = (1,) if max(sizes) > 20 * min(sizes) else (1, 2, 5)
    axis.xaxis.set_major_locator(LogLocator(subs=steps))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(lambda value, _: scaled(value, 1000, (" B", " kB", " MB", " GB")).replace(".00", ""))
    axis.set_xlabel("size on disk")
    axis.set_ylabel("accuracy, % (bars: 95 % interval over patients)")
    axis.grid(alpha=0.3)
    axis.set_title(_title(report, "Accuracy against size"))
    figure.legend(loc="outside right upper")


def draw_curves(figure: Figure, history: pd.DataFrame, title: str) -> None:
    """Losses (upper row) and shares (lower row) over epochs, a column per stage."""
    stages = list(dict.fromkeys(history["stage"]))
    metrics = [name for name in history.columns if name not in ("stage", "epoch")]
    losses = [name for name in metrics if "loss" in name]
    shares = [name for name in metrics if "accuracy" in name or "agreement" in name]
    lines = [(label, names) for label, names in (("loss", losses), ("share", shares)) if names]
    figure.set_size_inches(4 * len(stages) + 0.5, 2.7 * max(len(lines), 1) + 0.6)
    figure.suptitle(title)
    axes = figure.subplots(len(lines), len(stages), squeeze=False, sharex="col")
    for row, (label, names) in zip(axes, lines):
        base = list(dict.fromkeys(name.removeprefix("val_") for name in names))
        for axis, stage in zip(row, stages):
            part = history[history["stage"] == stage]
            for name in names:
                values = part[name].astype(float)
                if values.notna().any():
                    validation = name.startswith("val_")
                    axis.plot(
                        part["epoch"],
                        values,
                        color=PALETTE[base.index(name.removeprefix("val_")) % len(PALETTE)],
                        linestyle="--" if validation else "-",
                        linewidth=2 if name.removeprefix("val_") in ("loss", "accuracy") else 1.2,
                        marker="." if len(part) < 15 else None,
                        label=name.replace("_", " "),
                    )
            axis.grid(alpha=0.3)
            axis.xaxis.get_major_locator().set_params(integer=True)
            if axis.get_legend_handles_labels()[0]:
                axis.legend(fontsize=7)
        row[0].set_ylabel(label)
        if label == "share":
            lowest = min(axis.get_ylim()[0] for axis in row)
            for axis in row:
                axis.set_ylim(max(lowest, 0), 1.02)
    for axis, stage in zip(axes[0], stages):
        axis.set_title(stage)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def read_history(path: Path) -> pd.DataFrame:
    """The run's history.csv: `stage`, `epoch`, then one column per metric.

    Raises:
        InputError: missing, empty, without these columns, or text in a number column.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file: --run takes a run folder of train.py")
    try:
        history = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a history ({error}): give another --run") from error
    for column in ("stage", "epoch"):
        if column not in history:
            raise InputError(f"{path}: has no column {column!r}: it is not a history of train.py")
    if not len(history):
        raise InputError(f"{path}: holds no epoch yet: train first")
    for column in history.columns.drop("stage"):
        if not pd.api.types.is_numeric_dtype(history[column]):
            raise InputError(f"{path}: column {column!r} holds text where numbers are expected")
    return history


def _history_file(evaluation: Evaluation, run: str | os.PathLike | None) -> Path | None:
    if run is not None:
        return Path(run) / "history.csv"
    for artefact in evaluation.artefacts:
        for folder in list(artefact.path.resolve().parents)[:3]:
            if (folder / "history.csv").is_file():
                return folder / "history.csv"
    return None


def _title(report: dict, what: str) -> str:
    data = report["dataset"]
    return f"{what} — {Path(data['path']).name}, {data['split']} split{_simulated(report)}"


def _simulated(report: dict) -> str:
    """Nobody may take a picture of simulated data for one of patients."""
    return ", simulated data" if report["dataset"]["simulated"] else ""


def _name(row: dict, report: dict) -> str:
    return short_name(row["path"], [other["path"] for other in report["artefacts"]])
