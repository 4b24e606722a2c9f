"""Frames that look a little like ultrasound: speckle in a fan that opens downwards."""

from __future__ import annotations

import numpy as np

from data.dataset import Dataset, FrameRecord, open_dataset, write_dataset
from tests.evaluation.small import CLASSES

SIZE = (48, 64)


def fan(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Speckle, wider than high, in a fan that opens downwards, brighter above: uint8 [H, W]."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    apex = -rng.uniform(0.2, 0.5) * height
    inside = np.abs(np.arctan2(columns - width / 2, rows - apex)) < rng.uniform(0.55, 0.75)
    echo = rng.rayleigh(1, (height, width + 4))
    echo = sum(echo[:, k : k + width] for k in range(5)) / 5
    return np.clip(inside * echo * (120 - rows * rng.uniform(0.8, 1.4)), 0, 255).astype(np.uint8)


def write_fans(folder, **splits: tuple[int, int]) -> Dataset:
    """A data set of fans; of each split the number of patients and of the frames of each."""
    rng = np.random.default_rng(0)
    source = {"kind": "fans", "simulated": True}
    with write_dataset(
        folder, classes=CLASSES, frame_size=SIZE, source=source, seed=0, require_all_classes=False
    ) as out:
        for split, (patients, frames) in splits.items():
            for patient in range(patients):
                for index in range(frames):
                    name = f"{split}{patient}"
                    out.add(split, FrameRecord(fan(rng), index % 3, name, name, index, index / 2))
    return open_dataset(folder)
