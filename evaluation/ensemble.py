"""Several models that answer together: the mean of their probabilities, and what they cost in sum."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import pandas as pd

from common.errors import InputError
from evaluation.classification import KEYS

NAME = "ensemble"


def require_members(paths: Sequence[str | os.PathLike]) -> None:
    """Refuse what is no ensemble, before anything is loaded.

    Raises:
        InputError: fewer than two artefacts, or one named twice.
    """
    names = [os.path.normpath(path) for path in paths]
    if len(names) < 2:
        raise InputError(f"ensemble: {len(names)} artefact is given: name two or more to average")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"ensemble: {name} is named twice: name each member once")


def ensemble_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of the members' probabilities, frame by frame.

    Args:
        tables: predictions of each member (`predict_split`), about the same frames in the
            same order, with the same classes.

    Returns:
        A predictions table like each of them.

    Raises:
        ValueError: no table, or tables that are not about the same frames and classes.

    Source: Hinton, Vinyals and Dean, 2015, take the mean of the members' soft targets.
    """
    if not tables:
        raise ValueError("an ensemble of no predictions has no mean")
    first = tables[0]
    columns = [name for name in first.columns if name.startswith("p_")]
    for table in tables[1:]:
        if list(table.columns) != list(first.columns):
            raise ValueError("the members' predictions have different columns")
        if len(table) != len(first) or not (table[KEYS].to_numpy() == first[KEYS].to_numpy()).all():
            raise ValueError("the members' predictions are not about the same frames in the same order")
    mean = sum(table[columns].to_numpy(dtype=float) for table in tables) / len(tables)
    return pd.concat([first.drop(columns=columns), pd.DataFrame(mean, columns=columns, index=first.index)], axis=1)


def ensemble_cost(rows: Sequence[dict]) -> dict:
    """What the members cost together, all loaded, run one after the other on one thread.

    Args:
        rows: the members' rows of a report.

    Returns:
        `params`, `macs`, `bytes`, `memory_bytes` and `latency_ms` {median, p95}, each the
        members' sum, or null where one of them is not known. The sums of the 95th percentiles
        and of the memory are upper estimates: the members are seldom slow at the same time,
        and never at their peak.
    """
    latency = {name: _sum(row["latency_ms"][name] for row in rows) for name in ("median", "p95")}
    sums = {name: _sum(row[name] for row in rows) for name in ("params", "macs", "bytes", "memory_bytes")}
    return {**sums, "latency_ms": latency}


def _sum(values: Iterable[float | None]) -> float | None:
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
