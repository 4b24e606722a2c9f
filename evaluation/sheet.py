"""A sheet of frames with the gaze on them and, side by side, where each model looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from data.pipeline import evaluation_batches
from data.reading import read_split
from evaluation.attention import attention_maps, described, has_attention
from evaluation.classification import probability_array
from evaluation.figures import figure_title
from evaluation.gaze_head import gaze_head_path, predict_gaze
from evaluation.report import Evaluation
from evaluation.table import short_name

_MOST_ROWS = 6
_GAZE_COLOUR = "#E69F00"
_CMAP = "inferno"


@dataclasses.dataclass(frozen=True)
class _Column:
    """Maps of one kind for the shown frames.

    Attributes:
        title: above the column.
        maps: [n, h, w], each sums to 1; None where there is nothing to show.
        notes: above each map, with its colour.
    """

    title: str
    maps: list[np.ndarray | None]
    notes: list[tuple[str, str]]


def draw_sheet(figure: Figure, evaluation: Evaluation) -> None:
    """A row per frame: the frame with its gaze points, the gaze map, each gaze head, each model's attention.

    Attention is what `evaluation.attention.described` says. Only `.keras`
    artefacts show it; of the others the frames and the gaze remain. All maps are on one
    scale, multiples of the uniform map. A red title marks a misclassified frame.
    """
    data, table = evaluation.data, evaluation.tables[0]
    points = read_split(data, evaluation.split).map(lambda example: tf.size(example["gaze_x"]))
    rows = _choose(table, np.array(list(points.as_numpy_iterator())) > 0)
    examples = _examples(evaluation, rows)
    columns = [_gaze_column(evaluation, rows), *_head_columns(evaluation, rows, examples)]
    columns += _attention_columns(evaluation, rows)
    height, width = data.frame_size
    cell = 2.1
    figure.set_size_inches((1 + len(columns)) * cell + 1.2, len(rows) * (cell * height / width + 0.42) + 1.1)
    title = figure_title(evaluation.report, "Gaze and attention")
    figure.suptitle("\n".join([title, *_captions(evaluation)]))
    axes = figure.subplots(len(rows), 1 + len(columns), squeeze=False)
    norm = _norm([each for column in columns for each in column.maps if each is not None])
    for line, index in enumerate(rows):
        frame = examples[index]["frame"][..., 0]
        _draw_frame(axes[line, 0], frame, examples[index], table.iloc[index], data.classes)
        for axis, column in zip(axes[line, 1:], columns):
            _overlay(axis, frame, column.maps[line], norm)
            text, colour = column.notes[line]
            axis.set_title(text, color=colour, fontsize=8)
    for axis, text in zip(axes[0], ["frame and gaze", *(column.title for column in columns)]):
        axis.annotate(text, (0.5, 1.32), xycoords="axes fraction", ha="center", fontweight="bold", fontsize=8)
    figure.colorbar(
        ScalarMappable(norm, _CMAP), ax=axes[:, 1:], label="map / uniform map", shrink=min(1.0, 2 / len(rows)), pad=0.02
    )


def _gaze_column(evaluation: Evaluation, rows: Sequence[int]) -> _Column:
    features = _features(evaluation, None, rows)
    valid = [bool(value) for value in features["gaze_valid"]]
    maps = [each if there else None for each, there in zip(features["gaze"], valid)]
    return _Column("gaze map", maps, [("" if there else "no gaze", "black") for there in valid])


def _head_columns(evaluation: Evaluation, rows: Sequence[int], examples: dict[int, dict[str, Any]]) -> list[_Column]:
    frames = np.stack([examples[index]["frame"] for index in rows])
    paths = dict.fromkeys(filter(None, (gaze_head_path(artefact.path) for artefact in evaluation.artefacts)))
    names = [str(path) for path in paths]
    return [
        _Column(
            f"gaze head\n{short_name(str(path), names)}", list(predict_gaze(path, frames)), [("", "black")] * len(rows)
        )
        for path in paths
    ]


def _attention_columns(evaluation: Evaluation, rows: Sequence[int]) -> list[_Column]:
    columns, names = [], [row["path"] for row in evaluation.report["artefacts"]]
    for k, artefact in enumerate(evaluation.artefacts):
        if has_attention(artefact):
            maps = list(attention_maps(artefact, _features(evaluation, k, rows)))
            notes = [_answer(evaluation.tables[k], index, evaluation.data.classes) for index in rows]
            columns.append(_Column(f"attention\n{short_name(names[k], names)}", maps, notes))
    return columns


def _captions(evaluation: Evaluation) -> list[str]:
    """What the columns show: one line for each kind of attention, with the models' names where kinds differ."""
    paths = [row["path"] for row in evaluation.report["artefacts"]]
    kinds: dict[str, list[str]] = {}
    for path, artefact in zip(paths, evaluation.artefacts):
        if has_attention(artefact):
            kinds.setdefault(described(artefact), []).append(short_name(path, paths))
    lines = [f"attention{' of ' + ', '.join(names) if len(kinds) > 1 else ''}: {kind}" for kind, names in kinds.items()]
    return ["dots: gaze points"] if not lines else [*lines[:-1], f"{lines[-1]}; dots: gaze points"]


def _examples(evaluation: Evaluation, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
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
    numbered = enumerate(batches.take(max(rows) + 1).as_numpy_iterator())
    found = {index: features for index, (features, _, _) in numbered if index in set(rows)}
    return {name: np.concatenate([found[index][name] for index in rows]) for name in found[rows[0]]}


def _norm(maps: Sequence[np.ndarray]) -> Normalize:
    """One scale for all maps, as multiples of the uniform map; the square root shows faint ones too."""
    highest = max((float(each.max() * each.size) for each in maps), default=1.0)
    return PowerNorm(0.5, vmin=0, vmax=max(highest, 1.0))


def _draw_frame(axis: Axes, frame: np.ndarray, example: dict[str, Any], row: pd.Series, classes: Sequence[str]) -> None:
    height, width = frame.shape
    _overlay(axis, frame, None, None)
    axis.scatter(
        example["gaze_x"] * width - 0.5,
        example["gaze_y"] * height - 0.5,
        s=14,
        color=_GAZE_COLOUR,
        edgecolors="black",
        linewidths=0.5,
    )
    label = int(row["label"])
    name = classes[label] if label >= 0 else "unlabelled"
    recording = str(row["recording_id"])
    recording = recording if len(recording) <= 22 else f"{recording[:10]}…{recording[-10:]}"
    axis.set_title(f"{name}\n{recording}, {row['time_s']:.1f} s", fontsize=8)


def _overlay(axis: Axes, frame: np.ndarray, density: np.ndarray | None, norm: Normalize | None) -> None:
    height, width = frame.shape
    axis.imshow(frame, cmap="gray", vmin=0, vmax=255)
    if density is not None:
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axis.imshow(density * density.size, cmap=_CMAP, norm=norm, extent=extent, interpolation="bilinear", alpha=0.65)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _answer(table: pd.DataFrame, index: int, classes: Sequence[str]) -> tuple[str, str]:
    """The predicted class with its probability, and the colour to write it in."""
    probabilities = probability_array(table.iloc[[index]], classes)[0]
    best = int(probabilities.argmax())
    label = int(table["label"].iloc[index])
    wrong = label >= 0 and best != label
    return f"{'✗ ' if wrong else ''}{classes[best]} {probabilities[best]:.2f}", "#B00020" if wrong else "black"
