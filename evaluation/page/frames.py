"""Frames that were answered right and wrong, with the gaze on them and where the model looks."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image

from data.dataset import Dataset
from data.reading import read_split
from evaluation.artefacts import Artefact, load_artefact
from evaluation.attention import attention_maps, described, has_attention
from evaluation.classification import labelled, probability_array
from evaluation.page.markup import text
from evaluation.report import Evaluation

FRAMES = 20  # of each kind
_WIDEST_PX = 224
_GAP = 4
_DOT = 0.016  # radius of a gaze point, of the frame's width


@dataclasses.dataclass(frozen=True)
class Shown:
    """A frame of the page.

    Attributes:
        index: its place in the split.
        label: its class. answer: the model's. probability: of that answer.
        where: recording and time.
    """

    index: int
    label: str
    answer: str
    probability: float
    where: str


def choose(table: pd.DataFrame, classes: Sequence[str], *, right: bool) -> list[Shown]:
    """Twenty frames that were classified correctly, or misclassified.

    The classes take turns, the one with most frames first; of a class come the most confident misclassified ones, and
    correct ones spread over its confidences from high to low; no recording is shown twice while another is left.
    """
    frames = labelled(table)
    probabilities, label = probability_array(frames, classes), frames["label"].to_numpy()
    answer, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    places = np.flatnonzero((answer == label) == right)
    recordings = frames["recording_id"].to_numpy()
    queues = [_queue(places[label[places] == k], sure, recordings, spread=right) for k in range(len(classes))]
    queues.sort(key=len, reverse=True)
    in_turn = [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]
    rows = frames.reset_index()
    return [
        Shown(
            int(rows["index"][place]),
            classes[label[place]],
            classes[answer[place]],
            float(sure[place]),
            f"{_short(str(rows['recording_id'][place]))}, {rows['time_s'][place]:.1f} s",
        )
        for place in in_turn[:FRAMES]
    ]


def _queue(places: np.ndarray, sure: np.ndarray, recordings: np.ndarray, *, spread: bool) -> list[int]:
    """The frames of a class in the order in which they are shown."""
    ordered = sorted(places, key=lambda place: (-sure[place], place))
    if spread and len(ordered) > FRAMES:
        ordered = [ordered[k] for k in np.linspace(0, len(ordered) - 1, FRAMES).astype(int)]
    first: list[int] = []
    later: list[int] = []
    seen: set[str] = set()
    for place in ordered:
        (later if recordings[place] in seen else first).append(int(place))
        seen.add(recordings[place])
    return first + later


def attending(evaluation: Evaluation, main: int) -> Artefact | None:
    """The artefact whose attention is shown: a student among those evaluated that shows its layers, or that of the run.

    An 8-bit file hides its layers; the float student that it was made of lies in the same run folder.
    """
    for artefact in evaluation.artefacts:
        about = artefact.metadata
        if about.stage != "teacher" and about.inputs == ("frame",) and has_attention(artefact):
            return artefact
    near = evaluation.artefacts[main].path.resolve().parent.parent / "student" / "student.keras"
    if not near.is_file():
        return None
    artefact = load_artefact(near)
    fits = artefact.metadata.frame_size == evaluation.data.frame_size and has_attention(artefact)
    return artefact if fits else None


def frame_grid(shown: Sequence[Shown], data: Dataset, split: str, attends: Artefact | None) -> str:
    """A grid of frames: each with its gaze points, next to it the attention, under it the answer."""
    examples = _examples(data, split, {each.index for each in shown})
    maps: list[np.ndarray | None] = [None] * len(shown)
    if attends is not None and shown:
        frames = np.stack([examples[each.index]["frame"] for each in shown]).astype(np.float32) / 255
        maps = list(attention_maps(attends, {"frame": frames}))
    highest = max((float(each.max()) for each in maps if each is not None), default=1.0)
    cells = [_cell(each, examples[each.index], map_, highest) for each, map_ in zip(shown, maps)]
    return f'<div class="frames">{"".join(cells)}</div>'


def _examples(data: Dataset, split: str, wanted: set[int]) -> dict[int, Mapping[str, Any]]:
    rows = enumerate(read_split(data, split).as_numpy_iterator())
    return {index: example for index, example in rows if index in wanted}


def _cell(shown: Shown, example: Mapping[str, Any], attention: np.ndarray | None, highest: float) -> str:
    frame = example["frame"][..., 0]
    height, width = frame.shape
    image = _frame_image(frame)
    panels = [_image(image, 0, width, height)]
    radius = _DOT * width
    for x, y in zip(example["gaze_x"], example["gaze_y"]):
        panels.append(
            f'<circle cx="{x * width:.1f}" cy="{y * height:.1f}" r="{radius:.1f}" fill="#E69F00" stroke="#000" '
            f'stroke-width="{radius / 3:.2f}"/>'
        )
    total = width
    if attention is not None:
        left = width + _GAP
        panels += [_image(image, left, width, height), _image(_overlay(attention, highest), left, width, height)]
        total = left + width
    right = shown.label == shown.answer
    kind, mark = ("right", "✓") if right else ("wrong", "✗")
    said = shown.label if right else f"{shown.label}, answered {shown.answer}"
    return (
        f'<figure><svg role="img" aria-label="{text(said)}" viewBox="0 0 {total} {height}">{"".join(panels)}</svg>'
        f'<figcaption><span class="{kind}">{mark}</span> {text(said)} {shown.probability:.2f}<br>'
        f'<span class="dim">{text(shown.where)}</span></figcaption></figure>'
    )


def _image(source: str, x: int, width: int, height: int) -> str:
    return f'<image href="{source}" x="{x}" y="0" width="{width}" height="{height}" preserveAspectRatio="none"/>'


def _frame_image(frame: np.ndarray) -> str:
    image = Image.fromarray(frame)
    image.thumbnail((_WIDEST_PX, 4 * _WIDEST_PX))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return _data_address(stream.getvalue(), "jpeg")


def _overlay(attention: np.ndarray, highest: float) -> str:
    """The map in colour, one pixel a cell; the square root shows faint attention too."""
    level = np.sqrt(np.clip(attention / highest, 0, 1))
    rgba = matplotlib.colormaps["inferno"](level)
    rgba[..., 3] = 0.15 + 0.55 * level
    height, width = level.shape
    image = Image.fromarray((255 * rgba).round().astype(np.uint8), "RGBA")
    stream = io.BytesIO()
    # Enlarged here: browsers differ in how they smooth a picture of a few pixels.
    image.resize((8 * width, 8 * height), Image.Resampling.BILINEAR).save(stream, "PNG", optimize=True)
    return _data_address(stream.getvalue(), "png")


def _data_address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}…{name[-12:]}"


def attention_of(attends: Artefact | None) -> str:
    """Whose attention is shown, in words."""
    if attends is None:
        return "No attention is shown: no .keras artefact of a student was evaluated or lies in the run folder."
    name = "/".join(Path(attends.path).parts[-2:])
    return f"right: attention of {name}, {described(attends)}; brighter is more"
