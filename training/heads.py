"""The heads that only training needs, kept next to the student so that it can be trained further.

`heads.npz` is a NumPy archive with one array per weight, named layer/weight:

    saliency_head/kernel [1, 1, C, 1], saliency_head/bias [1]        of the gaze loss
    adapter_TAP/kernel [1, 1, C, C'], adapter_TAP/bias [C']          of the hint at each tap

C and C' are the channels of the student's and the teacher's map. A loss without these terms leaves
an archive without arrays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.errors import InputError, disk_errors
from common.npz import read_npz
from models.objective import Objective

HEADS = "heads.npz"


class OtherHeads(InputError):
    """The heads of a file are those of another loss."""


def save_heads(objective: Objective, file: Path) -> None:
    """Write the weights of an objective's heads."""
    with disk_errors(file):
        np.savez(file, **{name: variable.numpy() for name, variable in _named(objective).items()})


def load_heads(objective: Objective, file: Path) -> None:
    """Give an objective's heads the weights of a file.

    Raises:
        OtherHeads: they are of another loss.
        InputError: no such file, or a damaged one.
    """
    wanted = _named(objective)
    found = read_npz(file, "archive of heads", "train the student again")
    shapes = {name: tuple(variable.shape) for name, variable in wanted.items()}
    if {name: value.shape for name, value in found.items()} != shapes:
        raise OtherHeads(
            f"{file}: holds {', '.join(found) or 'no heads'}, and this loss has {', '.join(wanted) or 'none'}: train "
            "the student again with the same loss"
        )
    for name, variable in wanted.items():
        variable.assign(found[name])


def _named(objective: Objective) -> dict:
    """{layer/weight: variable} of an objective."""
    return {"/".join(variable.path.split("/")[-2:]): variable for variable in objective.weights}
