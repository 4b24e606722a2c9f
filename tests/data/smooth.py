"""Pictures that are a function of the place in the frame: the same at every frame size, but for its pixels."""

import numpy as np

from data.dataset import Dataset, FrameRecord, open_dataset, write_dataset
from data.video.framing import FrameRule

CLASSES = ("ring", "disc", "bar")
PADDED = FrameRule()


def picture(size, seed) -> np.ndarray:
    """Wide blobs at random places, uint8 [H, W]."""
    rng = np.random.default_rng(seed)
    rows, columns = ((np.arange(side) + 0.5) / side for side in size)
    value = np.zeros(size)
    for x, y, wide, grey in zip(*rng.uniform(0.1, 0.9, (2, 5)), rng.uniform(0.1, 0.2, 5), rng.uniform(80, 200, 5)):
        value += grey * np.exp(-((columns[None] - x) ** 2 + (0.75 * (rows[:, None] - y)) ** 2) / (2 * wide**2))
    return np.clip(value, 0, 255).astype(np.uint8)


def write(folder, size, order=range(6), rule=PADDED) -> Dataset:
    """Six frames of two patients for training and three for validation, looked at near the middle."""
    source = {"kind": "smooth", "simulated": True}
    with write_dataset(folder, classes=CLASSES, frame_size=size, source=source, seed=0, rule=rule,
                       require_all_classes=False) as writer:  # fmt: skip
        for split, indices in (("train", order), ("val", range(3))):
            for index in indices:
                rng = np.random.default_rng([index, split == "val"])
                name, gaze = f"{split}{index // 3}", rng.uniform(0.3, 0.7, (2, 1))
                frame = picture(size, [index, split == "val"])
                writer.add(split, FrameRecord(frame, index % 3, name, name, index % 3, 0.1 * index, *gaze))
    return open_dataset(folder)
