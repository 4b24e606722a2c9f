"""Rows that are trained with several seeds: each is declared once and stands for one row a seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from common.errors import InputError

_NAMED = re.compile(r"(?<!\$)\{([\w.-]+)((?::[^{}]+)?)\}")


def repeat_rows(where: str, rows: dict[str, Any], seeds: Sequence[Any]) -> dict[str, Any]:
    """Declared rows, once for each seed.

    The row `alone` becomes `alone.s0`, `alone.s1`, ...; what it says of other rows, by `{row}`, `of` or `ensemble`,
    is then said of those of its own seed, and `seed` is set among its flags.

    Args:
        where: the table, for errors.
        rows: {name: fields}, as the YAML has them.
        seeds: whole numbers.

    Returns:
        {name.sN: fields}, seed by seed, so that a study that is cut has whole seeds.

    Raises:
        InputError: a seed that is none, or that stands twice.
    """
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise InputError(f"{where}.seeds: {seed!r} is no whole number from 0 on")
    if len(set(seeds)) != len(seeds):
        raise InputError(f"{where}.seeds: {', '.join(map(str, seeds))}: names a seed twice")
    return {of_seed(name, seed): _repeat(fields, rows, seed) for seed in seeds for name, fields in rows.items()}


def share_flags(rows: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Rows whose `train` has the table's own flags too; those of a row win."""
    return {
        name: {**fields, "train": {**flags, **fields["train"]}}
        if flags and isinstance(fields, dict) and isinstance(fields.get("train"), dict)
        else fields
        for name, fields in rows.items()
    }


def of_seed(name: str, seed: int) -> str:
    """Name of a declared row's training with a seed."""
    return f"{name}.s{seed}"


def split_name(name: str) -> tuple[str, int] | None:
    """(declared name, seed) of a repeated row; None of any other."""
    found = re.fullmatch(r"(.+)\.s(\d+)", name)
    return (found[1], int(found[2])) if found else None


def _repeat(fields: Any, rows: dict[str, Any], seed: int) -> Any:
    if not isinstance(fields, dict):
        return fields  # whoever reads the row says what is wrong
    made = dict(fields)
    for way in ("train", "flags", "source"):
        if way in made:
            made[way] = _renamed(made[way], rows, seed)
    if isinstance(made.get("of"), str) and made["of"] in rows:
        made["of"] = of_seed(made["of"], seed)
    if isinstance(made.get("ensemble"), list):
        made["ensemble"] = [of_seed(name, seed) if name in rows else name for name in made["ensemble"]]
    own = "flags" if "compress" in made else "train" if "train" in made else ""
    if own and isinstance(made.setdefault(own, {}), dict):
        made[own] = {"seed": seed, **made[own]}
    return made


def _renamed(value: Any, rows: dict[str, Any], seed: int) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(item, rows, seed) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, rows, seed) for item in value]
    if isinstance(value, str):
        return _NAMED.sub(lambda m: f"{{{of_seed(m[1], seed) if m[1] in rows else m[1]}{m[2]}}}", value)
    return value
