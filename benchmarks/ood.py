"""What the rule for frames unlike the training frames finds, and how often it is wrong on frames that are like them.

    python benchmarks/ood.py runs/demo/int8/student_int8.tflite DIR ... --data datasets/phantom

False alarms on the test split; then the share that is flagged of frames that have no business there: black, noise,
text screens, test frames upside down, turned, inverted, and images of other folders. Beside it: how sure the
classifier is of the same frames, which is why its confidence is no such rule. Seed 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import common.quiet  # noqa: F401  (before TensorFlow)
from data.dataset import open_dataset
from data.frames import resize_frame
from data.video.images import IMAGE_SUFFIXES, read_image
from deployment.prediction import View, features_of, prepare
from evaluation.artefacts import Artefact, load_artefact
from evaluation.ood import UNLIKE, UPSIDE_DOWN, chunks, flags

_COUNT = 200
_WORDS = ("Patient ID", "Name", "Exam Date", "Preset", "Gain 62", "Depth 14 cm", "5.0 MHz", "TIs 0.2 MI 1.1", "Report")


def strange_frames(test: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """(name, uint8 [n, H, W]) of each kind."""
    height, width = test.shape[1:]
    shape = (_COUNT, height, width)
    yield "black", np.zeros(shape, np.uint8)
    yield "nearly black (bytes 0 to 7)", rng.integers(0, 8, shape).astype(np.uint8)
    yield "one grey", np.broadcast_to(rng.integers(1, 255, (_COUNT, 1, 1)), shape).astype(np.uint8)
    yield "uniform noise", rng.integers(0, 256, shape).astype(np.uint8)
    yield "dim noise (60 ± 40)", np.clip(rng.normal(60, 40, shape), 0, 255).astype(np.uint8)
    coarse = rng.normal(60, 40, (_COUNT, height // 4 + 1, width // 4 + 1))
    blocks = np.kron(coarse, np.ones((1, 4, 4)))[:, :height, :width]
    yield "noise in blocks of 4", np.clip(blocks, 0, 255).astype(np.uint8)
    yield "text screens", np.stack([text_screen(height, width, rng) for _ in range(_COUNT)])
    yield "test frames upside down", test[:, ::-1]
    yield "test frames turned by 180°", test[:, ::-1, ::-1]
    yield "test frames inverted", 255 - test
    turned = [resize_frame(np.ascontiguousarray(frame.T), (height, width)) for frame in test]
    yield "test frames turned by 90°", np.stack(turned)
    yield "test frames mirrored (left is right)", test[:, :, ::-1]


def text_screen(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A page of words, dark on light or light on dark, as a menu or a report looks."""
    scale = int(rng.integers(2, 7))
    page = Image.new("L", (width * scale, height * scale), int(rng.choice([0, 0, 20, 40, 230, 255])))
    paper = int(np.asarray(page)[0, 0])
    draw, size = ImageDraw.Draw(page), int(rng.integers(7, 14) * scale / 2)
    font, y = ImageFont.load_default(size), 4.0
    while y < page.height - size:
        if rng.random() < 0.8:
            line = " ".join(rng.choice(_WORDS, int(rng.integers(2, 8))))
            draw.text(
                (int(rng.integers(2, 40)), y), line, fill=0 if paper > 128 else int(rng.integers(150, 256)), font=font
            )
        y += size * rng.uniform(1.2, 2)
    return resize_frame(np.asarray(page), (height, width))


def _row(artefact: Artefact, name: str, frames: np.ndarray) -> str:
    found = np.array(flags(artefact.metadata.ood, frames))
    confidence = np.concatenate(
        [artefact.predict(features_of(artefact, frames[k : k + 64])).max(axis=1) for k in range(0, len(frames), 64)]
    )
    share = {kind: f"{np.mean(found == kind):.3f}" for kind in (UNLIKE, UPSIDE_DOWN)}
    return (
        f"| {name} | {len(frames)} | {np.mean(found != ''):.3f} | {share[UNLIKE]} | {share[UPSIDE_DOWN]} "
        f"| {np.median(confidence):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact")
    parser.add_argument("--data", required=True, help="the data set that it was trained on")
    parser.add_argument("foreign", nargs="*", metavar="DIR", help="folders of images of something else")
    given = parser.parse_args()
    artefact, data = load_artefact(given.artefact), open_dataset(given.data)
    if artefact.metadata.ood is None:
        raise SystemExit(f"{given.artefact}: its metadata hold no rule: evaluate.py --fit 0.95 fits one")
    print("| frames | number | flagged | unlike | upside down | median confidence |\n|---|---|---|---|---|---|")
    for split in ("val", "test"):
        own = np.concatenate([frames for _, frames in chunks(data, split)])
        print(_row(artefact, f"{split} split: false alarms", own))
    for name, frames in strange_frames(own, np.random.default_rng(0)):
        print(_row(artefact, name, frames))
    for folder in given.foreign:
        files = [file for file in sorted(Path(folder).iterdir()) if file.suffix.casefold() in IMAGE_SUFFIXES][:500]
        frames = np.stack([prepare(artefact, read_image(file), View()) for file in files])
        print(_row(artefact, f"images of {Path(folder).parent.name}", frames))


if __name__ == "__main__":
    main()
