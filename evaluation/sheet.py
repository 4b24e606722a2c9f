"""A sheet of frames with the gaze on them and, side by side, where each model looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.dataset import read_split
from data.pipeline import evaluation_batches
from evaluation.attention import TAP, attention_maps, has_attention
from evaluation.classification import probability_array
from evaluation.report import Evaluation, short_name

_MOST_ROWS = 6
_GAZE_COLOUR = "#E69F00"


def draw_sheet(figure: Figure, evaluation: Evaluation, title: str) -> None:
    """A row per frame: the frame with its gaze points, the gaze map, each model's attention.

    Attention is the channel mean of squared activations at `stride8`. Only `.keras`
    artefacts show it; of the others the frames and the gaze remain. A red title marks a
    wrong prediction.
    """
    data, table = evaluation.data, evaluation.tables[0]
    shown = [k for k, artefact in enumerate(evaluation.artefacts) if has_attention(artefact)]
    points = read_split(data, evaluation.split).map(lambda example: tf.size(example["gaze_x"]))
    rows = _choose(table, np.array(list(points.as_numpy_iterator())) > 0)
    examples = _examples(evaluation, rows)
    height, width = data.frame_size
    columns = 2 + len(shown)
    cell = 2.1
    figure.set_size_inches(columns * cell + 0.3, len(rows) * (cell * height / width + 0.3) + 1.0)
    figure.suptitle(f"{title}\nmaps: squared activations at {TAP}, channel mean; dots: gaze points")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    names = [row["path"] for row in evaluation.report["artefacts"]]
    for k in shown:
        batches = _features(evaluation, k, rows)
        maps = attention_maps(evaluation.artefacts[k], batches)
        for line, index in enumerate(rows):
            axis = axes[line, 2 + shown.index(k)]
            _overlay(axis, examples[index]["frame"][..., 0], maps[line])
            _says(axis, evaluation.tables[k], index, data.classes)
        axes[0, 2 + shown.index(k)].annotate(
            short_name(names[k], names), (0.5, 1.2), xycoords="axes fraction", ha="center", fontweight="bold"
        )
    densities = _features(evaluation, None, rows)
    for line, index in enumerate(rows):
        example, (first, second) = examples[index], axes[line, :2]
        _overlay(first, example["frame"][..., 0], None)
        first.scatter(
            example["gaze_x"] * width - 0.5,
            example["gaze_y"] * height - 0.5,
            s=14,
            color=_GAZE_COLOUR,
            edgecolors="black",
            linewidths=0.5,
        )
        label = int(table["label"].iloc[index])
        first.set_title(data.classes[label] if label >= 0 else "unlabelled")
        valid = bool(densities["gaze_valid"][line])
        _overlay(second, example["frame"][..., 0], densities["gaze"][line] if valid else None)
        second.set_title("" if valid else "no gaze")
    for axis, text in zip(axes[0, :2], ("frame and gaze", "gaze map")):
        axis.annotate(text, (0.5, 1.2), xycoords="axes fraction", ha="center", fontweight="bold")


def _examples(evaluation: Evaluation, rows: Sequence[int]) -> dict[int, dict]:
    """The examples of these rows: {row: example}."""
    split = read_split(evaluation.data, evaluation.split).take(max(rows) + 1)
    return {index: example for index, example in enumerate(split.as_numpy_iterator()) if index in set(rows)}


def _choose(table: pd.DataFrame, gaze: np.ndarray) -> list[int]:
    """Row numbers, spread over the classes in turn and over their patients; gaze first."""
    if (gaze & (table["label"] >= 0).to_numpy()).any():
        table = table[gaze]
    table = table[table["label"] >= 0]
    per_class = -(-_MOST_ROWS // table["label"].nunique())
    chosen = []
    for _, part in table.groupby("label"):
        places = np.linspace(0, len(part) - 1, per_class + 2)[1:-1].round().astype(int)
        chosen.append(list(dict.fromkeys(part.index[places])))
    in_turn = [rows[k] for k in range(per_class) for rows in chosen if k < len(rows)]
    return sorted(in_turn[:_MOST_ROWS], key=lambda index: (table["label"][index], index))


def _features(evaluation: Evaluation, number: int | None, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """The batch of these rows as artefact `number` saw it; None: with the real gaze."""
    if number is None:
        mode, sigma = "real", evaluation.artefacts[0].metadata.sigma
    else:
        mode = evaluation.report["artefacts"][number]["gaze"] or "none"
        sigma = evaluation.artefacts[number].metadata.sigma
    batches = evaluation_batches(evaluation.data, evaluation.split, batch_size=1, sigma=sigma, gaze=mode)
    batches = enumerate(batches.take(max(rows) + 1).as_numpy_iterator())
    found = {index: features for index, (features, _, _) in batches if index in set(rows)}
    return {name: np.concatenate([found[index][name] for index in rows]) for name in found[rows[0]]}


def _overlay(axis: Axes, frame: np.ndarray, density: np.ndarray | None) -> None:
    height, width = frame.shape
    axis.imshow(frame, cmap="gray", vmin=0, vmax=255)
    if density is not None:
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        strength = density / density.max()
        axis.imshow(strength, cmap="inferno", extent=extent, interpolation="bilinear", alpha=0.65, vmin=0, vmax=1)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _says(axis: Axes, table: pd.DataFrame, index: int, classes: Sequence[str]) -> None:
    probabilities = probability_array(table.iloc[[index]], classes)[0]
    best = int(probabilities.argmax())
    label = int(table["label"].iloc[index])
    wrong = label >= 0 and best != label
    axis.set_title(
        f"{'✗ ' if wrong else ''}{classes[best]} {probabilities[best]:.2f}",
        color="#B00020" if wrong else "black",
    )
