"""Where an interrupted training goes on: all variables after the last whole epoch, in one file.

A NumPy archive rather than HDF5: on a full disk the HDF5 library ends the process with a
segmentation fault, and a torn file could be taken for a whole one.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

from common.errors import InputError
from common.files import whole_file


class Checkpoint(keras.callbacks.Callback):
    """Writes the file after every epoch; the old one stays until the new one is whole."""

    def __init__(self, file: Path):
        super().__init__()
        self._file = file

    def on_epoch_end(self, epoch, logs=None):
        values = [variable.numpy() for variable in _variables(self.model)]
        with whole_file(self._file) as temporary:
            np.savez(temporary, np.array(epoch + 1), *values)


def restore(file: Path, model: keras.Model) -> int:
    """Give a compiled, built model the variables of the file.

    Returns:
        Epochs that are done: 0 where there is no file.

    Raises:
        InputError: the file is damaged or of another model.
    """
    if not file.is_file():
        return 0
    try:
        with np.load(file) as archive:
            epoch, *values = (archive[name] for name in archive.files)
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: is a damaged checkpoint ({error}): delete it to start the stage again") from error
    variables = _variables(model)
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise InputError(f"{file}: is a checkpoint of another model: delete it to start the stage again")
    for variable, value in zip(variables, values):
        variable.assign(value)
    return int(epoch)


def _variables(model: keras.Model) -> list:
    """The model's own and its optimizer's, in their fixed order."""
    return [*model.variables, *model.optimizer.variables]
