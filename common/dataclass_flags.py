"""Flags of a subcommand from a dataclass: switches, words after a flag, and arguments without a flag."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import jsonargparse

from common.parsing import field_docs

S = TypeVar("S")


def add_flags(
    parser: jsonargparse.ArgumentParser,
    of: type,
    *,
    positional: Collection[str] = (),
    skip: Collection[str] = (),
    metavars: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Add a flag for each field of the dataclass `of`, with its type, default and docstring.

    Booleans are switches; tuples take several words; fields without a default are required.

    Args:
        parser: to add them to.
        of: the dataclass. positional: fields that are given without a flag.
        skip: fields that the command fills itself. metavars: what --help shows for a field.
    """
    about = field_docs(of)
    hints = typing.get_type_hints(of)
    for field in sorted(dataclasses.fields(of), key=lambda field: field.default is not dataclasses.MISSING):
        if field.name in skip:
            continue
        given: dict[str, Any] = {"help": about.get(field.name, "")}
        required = field.default is dataclasses.MISSING
        if hints[field.name] is bool and field.default is False:
            given["action"] = "store_true"
        else:
            given |= _taken(hints[field.name], (metavars or {}).get(field.name))
        if field.name in positional:
            parser.add_argument(field.name, **given)
            continue
        if not required and "action" not in given:
            given["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        if required:
            given["required"] = True
        parser.add_argument("--" + field.name.replace("_", "-"), **given)


def from_flags(of: type[S], flags: Mapping[str, Any], **more: Any) -> S:
    """The dataclass that `add_flags` made flags of, filled.

    Args:
        of: the dataclass. flags: what was parsed. more: fields that have no flag.

    Raises:
        InputError: a value that the dataclass refuses.
    """
    fields = dataclasses.fields(of)  # type: ignore[arg-type]
    values = {field.name: flags[field.name] for field in fields if field.name in flags}
    return of(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}, **more)


def _taken(hint: Any, metavar: tuple[str, ...] | None) -> dict[str, Any]:
    """Type and number of words of a flag, from the type of a field."""
    optional = type(None) in typing.get_args(hint)
    inner = next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint) if optional else hint
    if typing.get_origin(inner) is tuple:
        args = typing.get_args(inner)
        many = "+" if args[-1] is Ellipsis else len(args)
        return {"type": args[0], "nargs": many} | ({"metavar": metavar} if metavar else {})
    return {"type": hint}
