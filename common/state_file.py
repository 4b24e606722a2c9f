"""The state of a training after its last whole epoch, in one file: what an interrupted training goes on from.

A NumPy archive rather than HDF5: on a full disk the HDF5 library ends the process with a
segmentation fault, and a torn file could be taken for a whole one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import whole_file
from common.npz import read_npz


@dataclasses.dataclass(frozen=True)
class State:
    """What was stored.

    Attributes:
        epochs: whole epochs that are done.
        values: of all variables, in the fixed order of the training that wrote them.
        history: logs of each epoch; empty where the training keeps them elsewhere.
    """

    epochs: int
    values: tuple[np.ndarray, ...]
    history: tuple[dict[str, float], ...] = ()


def write_state(file: Path, state: State) -> None:
    """Store a state; the file of the epoch before stays until the new one is whole."""
    history = np.array(json.dumps(state.history))
    with whole_file(file) as temporary:
        np.savez(temporary, np.array(state.epochs), history, *state.values)


def read_state(file: Path) -> State | None:
    """The stored state, or None where there is no file.

    Raises:
        InputError: the file is damaged.
    """
    if not file.is_file():
        return None
    what, cure = "checkpoint", "delete it to start the training again"
    arrays = read_npz(file, what, cure)
    try:
        epochs, history, *values = arrays.values()
        return State(int(epochs), tuple(values), tuple(json.loads(str(history))))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: is no readable {what} ({error}): {cure}") from error


def epochs_done(file: Path) -> int:
    """Whole epochs of the stored state; 0 where there is no file.

    Raises:
        InputError: the file is damaged.
    """
    state = read_state(file)
    return state.epochs if state else 0


def give_values(file: Path, state: State, variables: Sequence) -> None:
    """Assign the values of a state that was read from `file`.

    Raises:
        InputError: they are not of these variables; none has been assigned then.
    """
    if [value.shape for value in state.values] != [tuple(variable.shape) for variable in variables]:
        raise InputError(f"{file}: is a checkpoint of another model: delete it to start the training again")
    for variable, value in zip(variables, state.values):
        variable.assign(value)
