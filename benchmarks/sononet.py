"""Claim: the port of SonoNet is the authors' network: it classifies images of another hospital untrained.

    python benchmarks/sononet.py --weights SonoNet16.npz --images FETAL_PLANES

Their 14 classes are mapped to four, by the sums of their probabilities: abdomen, brain (both
planes), femur, and all the rest; the images are the official test images of FETAL_PLANES_DB in
the folder, resized to 224×288 as theirs were. Nothing is trained. The figures are shares of right
answers: of all images, of each class, and among the images of the three planes alone (*other* is
no answer there).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common import quiet  # noqa: F401  (before TensorFlow)
from common.errors import run_command
from common.parsing import Parser

SIZE = (224, 288)
OURS = ("abdomen", "head", "femur", "other")
OF_PLANE = {"Fetal abdomen": 0, "Fetal brain": 1, "Fetal femur": 2}
OF_CLASS = {"Abdominal": 0, "Brain (Cb.)": 1, "Brain (Tv.)": 1, "Femur": 2}


def main(argv: list[str]) -> int:
    from rich.table import Table

    from common.console import console

    parser = Parser(prog="benchmarks/sononet.py", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="the authors' .npz file")
    parser.add_argument("--images", type=Path, required=True, help="folder of FETAL_PLANES_DB")
    flags = parser.parse_args(argv)
    summed, planes = classify(flags.weights, flags.images)
    right = summed.argmax(axis=-1) == planes
    three = summed[planes < 3, :3].argmax(axis=-1) == planes[planes < 3]
    table = Table(
        "images", "right", *[f"{name} ({(planes == k).sum()})" for k, name in enumerate(OURS)], "three planes"
    )
    shares = [right[planes == k].mean() for k in range(4)] + [three.mean()]
    table.add_row(str(len(planes)), f"{right.mean():.3f}", *[f"{share:.3f}" for share in shares])
    console.print(table)
    return 0


def classify(weights: Path, images: Path, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of our four classes [n, 4] for the test images, and the true class of each [n].

    Args:
        weights: the authors' .npz file. images: folder of FETAL_PLANES_DB.
        every: of each class, in the table's order, this many images to one that is classified.
    """
    from scipy.special import softmax

    from models.sononet_weights import AUTHORS_CLASSES, authors_network

    model = authors_network(weights, (*SIZE, 1))
    files, planes = _test_images(images)
    chosen = np.concatenate([np.flatnonzero(planes == k)[::every] for k in range(4)])
    files, planes = [files[index] for index in chosen], planes[chosen]
    mapping = np.array([OF_CLASS.get(name, 3) for name in AUTHORS_CLASSES])
    logits = np.concatenate([model.predict_on_batch(batch) for batch in _batches(files)])
    probabilities = softmax(logits, axis=-1)
    return np.stack([probabilities[:, mapping == k].sum(axis=-1) for k in range(4)], axis=-1), planes


# Few frames at a time: the first maps of five fit in a cache, those of 25 take nearly twice the time a frame.
def _batches(files: list[Path], size: int = 5) -> Iterator[np.ndarray]:
    from skimage.transform import resize

    from common.console import track
    from data.video.images import read_image

    for start in track(range(0, len(files), size), "classifying"):
        images = [read_image(file) for file in files[start : start + size]]
        # Bilinear and without smoothing, as in their training; the data set's own resizing is by area.
        frames = [resize(image, SIZE, order=1, anti_aliasing=False) for image in images]
        yield np.stack(frames)[..., None].astype(np.float32)


def _test_images(folder: Path) -> tuple[list[Path], np.ndarray]:
    from data.sources import image_source
    from data.sources.image_table import find_images, read_image_table

    source = image_source("fetal-planes")
    rows = [row for row in read_image_table(source, folder) if row.split == "test"]
    files = find_images(source, folder, rows)
    return [files[row.image] for row in rows], np.array([OF_PLANE.get(row.plane, 3) for row in rows])


if __name__ == "__main__":
    sys.exit(run_command(main))
