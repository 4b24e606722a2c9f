"""A budget of labels: a data set of whose training patients only some keep their labels.

Gaze should matter most where many recordings have gaze and few have labels. The frames of
the other patients stay, with the label −1.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import numpy as np

from common.errors import InputError
from data.dataset import UNLABELLED, Dataset
from data.selection import labels_of_patients

# Apart from all else that is drawn from the seed.
_STREAM = 0x1ABE1


def limit_labels(data: Dataset, patients: float, seed: int) -> Dataset:
    """The data set in whose training split only some patients keep their labels.

    The patients are drawn by `seed` from those who have a label. Of one seed, a smaller budget is a part of every
    larger one. Validation and test keep all labels.

    Args:
        data: the opened data set.
        patients: how many; a number below 1 is a share of those who have a label.
        seed: of the draw.

    Returns:
        The same data set, whose `labelled_patients` are set, and whose counts are those of the labels that are left.

    Raises:
        InputError: more patients than have a label, or a class of which no labelled frame is left.
    """
    labels = labels_of_patients(data, "train")
    known = sorted(patient for patient, counts in labels.items() if any(label != UNLABELLED for label in counts))
    count = max(1, round(patients * len(known))) if patients < 1 else int(patients)
    if count > len(known):
        raise InputError(
            f"labelled_patients must be at most {len(known)}, the training patients of {data.path} who have a label, "
            f"not {count}"
        )
    order = np.random.default_rng([seed, _STREAM]).permutation(len(known))
    kept = frozenset(known[index] for index in order[:count])
    info = copy.deepcopy(data.info)
    _count_again(info["splits"]["train"], labels, kept, data.classes)
    missing = [
        name
        for name in data.classes
        if data.info["splits"]["train"]["frames_per_class"][name]
        and not info["splits"]["train"]["frames_per_class"][name]
    ]
    if missing:
        raise InputError(
            f"labelled_patients {patients:g}: none of the {count} patients that seed {seed} draws has a frame of class "
            f"{', '.join(missing)}: take more, or another seed"
        )
    return dataclasses.replace(data, info=info, labelled_patients=kept)


def _count_again(split: dict, labels: dict[str, Counter[int]], kept: frozenset[str], classes: tuple[str, ...]) -> None:
    """Set what is counted by class in a split's description, and `withheld_frames`."""
    frames: Counter[int] = Counter()
    for patient in kept:
        frames += labels[patient]
    before = sum(split["frames_per_class"][name] for name in classes)
    split["frames_per_class"] = {name: frames[index] for index, name in enumerate(classes)}
    labelled = sum(split["frames_per_class"].values())
    split["frames_per_class"]["unlabelled"] = split["frames"] - labelled
    split["withheld_frames"] = before - labelled
