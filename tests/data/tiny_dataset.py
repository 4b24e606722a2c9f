"""Data sets of a few tiny frames, whose grey says which frame it is."""

import numpy as np

from data.dataset import FrameRecord, open_dataset, write_dataset

CLASSES = ("abdomen", "femur", "head")
FRAME = (16, 24)


def records(recordings=4, frames=5, *, patients=None, gaze=True, seed=0, prefix="p"):
    """`recordings` clips of `frames` frames (or of the numbers given), one patient each."""
    random = np.random.default_rng(seed)
    lengths = [frames] * recordings if isinstance(frames, int) else list(frames)
    made = []
    for number, length in enumerate(lengths):
        for index in range(length):
            points = int(random.integers(0, 4)) if gaze else 0
            made.append(
                FrameRecord(
                    frame=random.integers(0, 256, FRAME, dtype=np.uint8),
                    label=(number + index) % len(CLASSES),
                    recording_id=f"{prefix}r{number}",
                    patient_id=patients[number] if patients else f"{prefix}{number}",
                    frame_index=index,
                    time_s=index / 30,
                    scanner=("", "Aloka")[number % 2],
                    gaze_x=random.random(points).tolist(),
                    gaze_y=random.random(points).tolist(),
                )
            )
    return made


def write(path, splits, **kwargs):
    """Write {split: records} and open the result."""
    given = {
        "classes": CLASSES,
        "frame_size": FRAME,
        "source": {"kind": "test", "checksum": "0"},
        "seed": 1,
        **kwargs,
    }
    with write_dataset(path, **given) as writer:
        for split, rows in splits.items():
            for record in rows:
                writer.add(split, record)
    return open_dataset(path)


def splits(**kwargs):
    """Records of each split; `kwargs` are those of `records`."""
    return {
        "train": records(seed=1, prefix="a", **kwargs),
        "val": records(2, seed=2, prefix="b", **kwargs),
        "test": records(3, seed=3, prefix="c", **kwargs),
    }
