"""The same source prepared at another frame size: what a teacher of large frames sees of a student's small ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from common.errors import InputError
from data.augment_settings import Augmentation
from data.dataset import Dataset
from data.reading import read_columns
from data.splits import SPLITS

_IN_PIXELS = ("blur", "resolution")
_CURE = "prepare both from one source with the same settings but for frame_size"


def check_counterpart(other: Dataset, data: Dataset) -> None:
    """Refuse a data set whose frames are not those of `data` at another size, row by row.

    Views of a frame are drawn by its place in the split: only where the rows agree does a teacher see what its
    student sees.

    Raises:
        InputError: classes, fit, fan, the ratio of height to width, or the frames of a split differ.
    """
    found = {"classes": other.classes, "fit": other.fit, "fan": other.fan}
    wanted = {"classes": data.classes, "fit": data.fit, "fan": data.fan}
    for name, value in found.items():
        if value != wanted[name]:
            raise InputError(f"{other.path}: its {name} is {value}, and that of {data.path} {wanted[name]}: {_CURE}")
    (height, width), (data_height, data_width) = other.frame_size, data.frame_size
    if height * data_width != width * data_height:
        raise InputError(
            f"{other.path}: its frames are {height}×{width}, and those of {data.path} {data_height}×{data_width}, of "
            "another ratio: prepare it with a frame_size that is a multiple of the other's"
        )
    for split in SPLITS[:2]:  # the test is never taught on
        _check_rows(other, data, split)


def _check_rows(other: Dataset, data: Dataset, split: str) -> None:
    counts = [each.info["splits"][split]["frames"] for each in (other, data)]
    if counts[0] != counts[1]:
        raise InputError(
            f"{other.path}: has {counts[0]} frames in split {split!r}, and {data.path} has {counts[1]}: {_CURE}"
        )
    if not counts[0]:
        return
    columns, row = ("recording_id", "frame_index"), 0
    for some, wanted in zip(read_columns(other, split, columns), read_columns(data, split, columns)):
        differs = np.any([some[name].numpy() != wanted[name].numpy() for name in columns], axis=0)
        if differs.any():
            place = int(differs.argmax())
            one, two = (
                f"frame {each['frame_index'][place].numpy()} of {each['recording_id'][place].numpy().decode()}"
                for each in (some, wanted)
            )
            raise InputError(
                f"{other.path}: row {row + place} of split {split!r} is {one}, and in {data.path} it is {two}: {_CURE}"
            )
        row += len(differs)


def counterpart_augmentation(augmentation: Augmentation, size: tuple[int, int], other: tuple[int, int]) -> Augmentation:
    """What gives frames of another size the same views: what is measured in pixels is scaled.

    Args:
        augmentation: of frames of `size`, (H, W).
        other: (H, W) of the other frames, of the same ratio.

    Raises:
        InputError: a change that is drawn pixel by pixel, so that the sizes have no view in common.
    """
    factor = other[0] / size[0]
    if factor == 1:
        return augmentation
    sizes = f"frames of {size[0]}×{size[1]} and {other[0]}×{other[1]}"
    if augmentation.speckle:
        raise InputError(
            f"augment.speckle {augmentation.speckle:g}: its grain is drawn pixel by pixel, so that {sizes} have no "
            "view in common: set it to 0, or leave distil.teacher_data out"
        )
    scaled = {name: factor * getattr(augmentation, name) for name in _IN_PIXELS}
    return dataclasses.replace(augmentation, **scaled)
