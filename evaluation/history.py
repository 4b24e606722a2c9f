"""`history.csv` of a run folder, which training writes (`training.history`): read, and found above an artefact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.errors import InputError
from evaluation.artefacts import Artefact


def read_history(path: Path, cure: str = "name the run folder of a train.py") -> pd.DataFrame:
    """A history: `stage`, `epoch`, then one column per metric.

    Args:
        path: of the file.
        cure: what to do if it is none.

    Raises:
        InputError: missing, empty, without these columns, or text in a number column.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file: {cure}")
    try:
        history = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a history ({error}): {cure}") from error
    for column in ("stage", "epoch"):
        if column not in history:
            raise InputError(f"{path}: has no column {column!r}, so it is not a history of train.py: {cure}")
    if not len(history):
        raise InputError(f"{path}: holds no epoch: {cure}")
    for column in history.columns.drop("stage"):
        if not pd.api.types.is_numeric_dtype(history[column]):
            raise InputError(f"{path}: column {column!r} holds text where numbers are expected: {cure}")
    return history


def history_file(artefacts: Sequence[Artefact], run: str | os.PathLike | None) -> Path | None:
    """The history of `run`; without it, the one in the first run folder above an artefact, or None."""
    if run is not None:
        return Path(run) / "history.csv"
    for artefact in artefacts:
        for folder in list(artefact.path.resolve().parents)[:3]:
            if (folder / "history.csv").is_file():
                return folder / "history.csv"
    return None
