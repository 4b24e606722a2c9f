"""What the rule for frames unlike the training frames finds, and how often it is wrong on frames that are like them.

    python benchmarks/ood.py runs/demo/int8/student_int8.tflite DIR ... --data datasets/phantom
    python benchmarks/ood.py runs/demo/int8/student_int8.tflite --data datasets/unseen --all --seed 9107

False alarms on the validation and the test split, or, with --all, on every patient of a data set that the model was not
trained on; then the share that is flagged of frames of other kinds: black, noise, text screens, frames
upside down, turned, inverted, and images of other folders; with --all of some kinds too that played no part in the
choice of the rule. How sure the classifier is of the same frames is in the last column: its confidence is no such rule.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import common.quiet  # noqa: F401  (before TensorFlow)
from data.dataset import Dataset, open_dataset
from data.frames import resize_frame
from data.video.images import IMAGE_SUFFIXES, read_image
from deployment.prediction import View, features_of, prepare
from evaluation.artefacts import Artefact, load_artefact
from evaluation.ood import UNLIKE, UPSIDE_DOWN, chunks, flags

_COUNT = 200
_WORDS = ("Patient ID", "Name", "Exam Date", "Preset", "Gain 62", "Depth 14 cm", "5.0 MHz", "TIs 0.2 MI 1.1", "Report")


def strange_frames(own: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """(name, uint8 [n, H, W]) of each kind."""
    height, width = own.shape[1:]
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
    yield "frames upside down", own[:, ::-1]
    yield "frames turned by 180°", own[:, ::-1, ::-1]
    yield "frames inverted", 255 - own
    turned = [resize_frame(np.ascontiguousarray(frame.T), (height, width)) for frame in own]
    yield "frames turned by 90°", np.stack(turned)
    yield "frames mirrored (left is right)", own[:, :, ::-1]


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


def further_frames(own: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """(name, uint8 [n, H, W]) of kinds that were not looked at when the rule was made."""
    height, width = own.shape[1:]
    y, x = np.mgrid[:height, :width]
    slopes = [a * x / width + b * y / height for a, b in rng.normal(size=(_COUNT, 2))]
    ramps = [(ramp - ramp.min()) / np.ptp(ramp) * rng.uniform(60, 255) for ramp in slopes]
    yield "ramps of grey", np.stack(ramps).astype(np.uint8)
    sides, greys = rng.integers(3, 33, _COUNT), rng.integers(0, 256, (_COUNT, 2))
    boards = [pair[(x // side + y // side) % 2] for side, pair in zip(sides, greys)]
    yield "checkerboards", np.stack(boards).astype(np.uint8)
    yield "traces on black", np.stack([_trace(height, width, rng) for _ in range(_COUNT)])
    chosen = own[rng.integers(0, len(own), _COUNT)]
    spots = rng.choice([0, 255, -1], (_COUNT, height, width), p=(0.1, 0.1, 0.8))
    yield "frames, a fifth of the pixels black or white", np.where(spots < 0, chosen, spots).astype(np.uint8)
    small = [resize_frame(frame, (height // 2, width // 2)) for frame in chosen]
    around = ((height // 4, height - height // 2 - height // 4), (width // 4, width - width // 2 - width // 4))
    yield "frames at half their size, on black", np.stack([np.pad(frame, around) for frame in small])
    yield "photographs", np.stack(list(_photographs(height, width, rng)))


def _trace(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A line that wanders from left to right, as of an electrocardiogram."""
    page = Image.new("L", (4 * width, 4 * height))
    heights = 4 * height * (0.5 + 0.3 * np.cumsum(rng.normal(size=width)) / np.sqrt(width))
    ImageDraw.Draw(page).line(
        [(4 * k, float(level)) for k, level in enumerate(heights)], fill=int(rng.integers(120, 256)), width=6
    )
    return resize_frame(np.asarray(page), (height, width))


def _photographs(height: int, width: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Parts of the two photographs that scikit-learn brings, grey."""
    from sklearn.datasets import load_sample_images

    images = [np.asarray(Image.fromarray(image).convert("L")) for image in load_sample_images().images]
    for number in range(_COUNT):
        image = images[number % 2]
        scale = rng.uniform(1, min(image.shape[0] / height, image.shape[1] / width))
        high, wide = int(height * scale), int(width * scale)
        top, left = rng.integers(0, image.shape[0] - high + 1), rng.integers(0, image.shape[1] - wide + 1)
        yield resize_frame(np.ascontiguousarray(image[top : top + high, left : left + wide]), (height, width))


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


def _frames_of(data: Dataset, splits: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """(patients, uint8 [n, H, W]) of splits together."""
    patients: list[str] = []
    parts = []
    for split in splits:
        for names, frames in chunks(data, split):
            patients += names
            parts.append(frames)
    return patients, np.concatenate(parts)


def _by_patient(artefact: Artefact, patients: Sequence[str], frames: np.ndarray) -> str:
    """How the false alarms lie, with a 95 % interval by bootstrap over patients."""
    flagged = np.array(flags(artefact.metadata.ood, frames)) != ""
    names, number = np.unique(patients, return_inverse=True)
    alarms, sizes = np.bincount(number, flagged), np.bincount(number)
    drawn = np.random.default_rng(0).integers(0, len(names), (10_000, len(names)))
    low, high = np.quantile(alarms[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), (0.025, 0.975))
    return (
        f"False alarms: {flagged.sum():.0f} of {len(frames)} frames, {np.mean(flagged):.4f} ({low:.4f} to {high:.4f}, "
        f"95 % over patients), in {np.count_nonzero(alarms)} of {len(names)} patients."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefact")
    parser.add_argument("--data", required=True, help="the data set that it was trained on, or with --all another")
    parser.add_argument(
        "--all", action="store_true", help="every patient is a test patient, and further kinds of frames"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("foreign", nargs="*", metavar="DIR", help="folders of images of something else")
    given = parser.parse_args()
    artefact, data = load_artefact(given.artefact), open_dataset(given.data)
    if artefact.metadata.ood is None:
        raise SystemExit(f"{given.artefact}: its metadata hold no rule: evaluate.py --fit 0.95 fits one")
    if given.all and data.checksum == artefact.metadata.dataset_checksum:
        raise SystemExit(
            f"{given.data}: the artefact was trained on it, so that not every patient is new: leave out --all"
        )
    print("| frames | number | flagged | unlike | upside down | median confidence |\n|---|---|---|---|---|---|")
    groups = {"every patient": ("train", "val", "test")} if given.all else {f"{k} split": (k,) for k in ("val", "test")}
    for name, splits in groups.items():
        patients, own = _frames_of(data, splits)
        print(_row(artefact, f"{name}: false alarms", own))
    rng = np.random.default_rng(given.seed)
    kinds = [strange_frames(own, rng), *([further_frames(own, rng)] if given.all else [])]
    for name, frames in itertools.chain(*kinds):
        print(_row(artefact, name, frames))
    for folder in given.foreign:
        files = [file for file in sorted(Path(folder).iterdir()) if file.suffix.casefold() in IMAGE_SUFFIXES][:500]
        frames = np.stack([prepare(artefact, read_image(file), View()) for file in files])
        print(_row(artefact, f"images of {Path(folder).parent.name}", frames))
    print(_by_patient(artefact, patients, own))


if __name__ == "__main__":
    main()
