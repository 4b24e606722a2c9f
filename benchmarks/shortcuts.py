"""Can the class be recognised in an image without looking at the fetus? A forest and a network, on parts of it.

    python benchmarks/shortcuts.py FETAL_PLANES --pixel-aspect 1.45 --json shortcuts.json

Scanners burn names of presets, grey bars and depth ticks into their images, and the preset depends on the plane that is
examined. A classifier that sees only what lies outside the fan should know nothing. Official training patients
train it, official test patients test it; images whose fan is not sure are left out. Intervals are 95 %, over
patients. The forest has 500 trees; the network four convolutions and 30 epochs; both see 56×72 pixels.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.console import console, track
from common.errors import InputError, run_command
from common.files import write_text
from common.parallel import core_count, map_in_order
from common.parsing import Parser
from data.names import spelling_key
from data.sources import image_source
from data.sources.image_table import ImageRow, find_images, read_image_table
from data.sources.images import parse_classes
from data.video.fan import find_fan
from data.video.framing import prepare_image
from data.video.images import read_image

if TYPE_CHECKING:
    import jsonargparse

SIZE = (56, 72)
CORNER = 0.25  # of the height and of the width
VIEWS = {
    "the whole image": "whole",
    "inside the fan": "inside",
    "outside the fan": "outside",
    "the fan's outline": "outline",
    "the top right corner": "corner",
}


@dataclasses.dataclass(frozen=True)
class Task:
    """An image to be taken apart."""

    path: Path
    pixel_aspect: float


def take_apart(task: Task) -> dict[str, np.ndarray] | None:
    """{view: uint8 [H, W]} of an image; None where its fan is not sure."""
    image = read_image(task.path)
    fan = find_fan(image)
    if not fan.sure:
        return None
    height, width = image.shape
    corner = np.zeros(image.shape, bool)
    corner[: round(CORNER * height), width - round(CORNER * width) :] = True
    views = {
        "whole": (image, None),
        "inside": (image, fan.mask),
        "outside": (image, ~fan.mask),
        "outline": (np.uint8(255) * fan.mask, None),
        "corner": (image, corner),
    }
    return {name: prepare_image(i, SIZE, pixel_aspect=task.pixel_aspect, mask=m) for name, (i, m) in views.items()}


def main(argv: list[str]) -> None:
    flags = _parser().parse_args(argv)
    source = image_source(flags.source)
    rows = read_image_table(source, flags.folder)
    names, chosen, _ = parse_classes(source.classes)
    rows = [row for row in rows if spelling_key(row.plane) in chosen]
    files = find_images(source, flags.folder, rows)
    tasks = [Task(files[row.image], flags.pixel_aspect) for row in rows]
    parts = list(track(map_in_order(take_apart, tasks, core_count()), "looking for fans", len(tasks)))
    sure = [number for number, part in enumerate(parts) if part is not None]
    if len({rows[number].split for number in sure}) < 2:
        raise InputError(f"{flags.folder}: too few fans were found: there is nothing to train or nothing to test on")
    rows, parts = [rows[number] for number in sure], [parts[number] for number in sure]
    label = np.array([chosen[spelling_key(row.plane)][0] for row in rows])
    report = {
        "images": len(tasks),
        "fan_sure": len(sure),
        "train": sum(row.split == "train" for row in rows),
        "test": sum(row.split == "test" for row in rows),
        "chance": _chance(rows, label),
        "classes": names,
        "seed": flags.seed,
        "views": {title: _view(np.stack([p[key] for p in parts]), rows, label, flags) for title, key in VIEWS.items()},
    }
    if flags.json:
        write_text(flags.json, json.dumps(report, indent=2) + "\n")
    console.print(markdown(report), markup=False, highlight=False)


def _parser() -> Parser:
    parser = Parser(prog="shortcuts.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="an image set in its published layout")
    parser.add_argument("--source", type=str, default="fetal-planes", help="which image set it is")
    parser.add_argument("--pixel-aspect", type=float, default=1.0, help="width over height of one pixel")
    parser.add_argument("--epochs", type=int, default=30, help="of the network")
    parser.add_argument("--seed", type=int, default=0, help="of the forest and of the network")
    parser.add_argument("--json", type=Path | None, default=None, help="write the figures there")
    return parser


def _chance(rows: list[ImageRow], label: np.ndarray) -> float:
    """Share of the largest class in the test."""
    counts = Counter(label[[row.split == "test" for row in rows]].tolist())
    return max(counts.values()) / sum(counts.values())


def _view(images: np.ndarray, rows: list[ImageRow], label: np.ndarray, flags: jsonargparse.Namespace) -> dict:
    """{classifier: accuracy and its interval} on one view."""
    from evaluation.classification import accuracy_ci

    train = np.array([row.split == "train" for row in rows])
    patients = np.array([row.patient for row in rows])[~train]
    found = {}
    for name, classify in (("forest", _forest), ("network", _network)):
        right = classify(images[train], label[train], images[~train], flags) == label[~train]
        found[name] = {"accuracy": float(right.mean()), "ci95": accuracy_ci(right, patients)}
    return found


def _forest(images: np.ndarray, label: np.ndarray, tested: np.ndarray, flags: jsonargparse.Namespace) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(500, random_state=flags.seed, n_jobs=core_count())
    return forest.fit(images.reshape(len(images), -1), label).predict(tested.reshape(len(tested), -1))


def _network(images: np.ndarray, label: np.ndarray, tested: np.ndarray, flags: jsonargparse.Namespace) -> np.ndarray:
    from common import quiet  # noqa: F401  isort: skip  (before TensorFlow, and not in the processes that look for fans)
    import keras

    keras.utils.set_random_seed(flags.seed)
    layers = [keras.Input((*SIZE, 1)), keras.layers.Rescaling(1 / 255)]
    for filters in (16, 24, 32, 48):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
            # 300 steps: with the default of 0.99 the moving averages would still be those of the start.
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(2),
        ]
    layers += [keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(int(label.max()) + 1)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-2), loss)
    model.fit(images[..., None], label, batch_size=32, epochs=flags.epochs, verbose=0)
    return model.predict(tested[..., None], batch_size=256, verbose=0).argmax(axis=-1)


def markdown(report: dict) -> str:
    """The report as a Markdown table."""
    lines = [
        f"{report['test']} test images whose fan is sure ({report['fan_sure']} of {report['images']} images in all), "
        f"{report['train']} for training; chance is {report['chance']:.3f}.",
        "",
        "| what is seen | random forest | small network |",
        "|---|---|---|",
    ]
    for title, found in report["views"].items():
        cells = [
            f"{found[name]['accuracy']:.3f} ({found[name]['ci95'][0]:.3f}–{found[name]['ci95'][1]:.3f})"
            for name in ("forest", "network")
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main))
