"""Where an interrupted Keras training goes on: all variables after the last whole epoch, see `common.state_file`."""

from __future__ import annotations

from pathlib import Path

import keras

from common.state_file import State, give_values, read_state, write_state


class Checkpoint(keras.callbacks.Callback):
    """Writes the file after every epoch; the old one stays until the new one is whole."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = tuple(variable.numpy() for variable in _variables(self.model))
        write_state(self._file, State(epoch + 1, values))


def restore(file: Path, model: keras.Model) -> int:
    """Give a compiled, built model the variables of the file.

    Returns:
        Epochs that are done: 0 where there is no file.

    Raises:
        InputError: the file is damaged or of another model.
    """
    state = read_state(file)
    if state is None:
        return 0
    give_values(file, state, _variables(model))
    return state.epochs


def _variables(model: keras.Model) -> list:
    """The model's own and its optimizer's, in their fixed order."""
    return [*model.variables, *model.optimizer.variables]
