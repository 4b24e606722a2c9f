"""JSON files against a schema: every fault is one line that names the file, the field and what was found."""

from __future__ import annotations

import json
import os
from typing import Any, TypeVar

import pydantic

from common.errors import InputError, disk_errors
from common.files import check_file

M = TypeVar("M")
_LIMIT_BYTES = 256 << 20


def read_json(path: str | os.PathLike, what: str, cure: str, most_bytes: int = _LIMIT_BYTES) -> Any:
    """Strict JSON: UTF-8, no key twice, no NaN, not nested without end.

    Args:
        path: the file.
        what: what it is, for messages. cure: what to do when it is broken.
        most_bytes: a larger file is refused.

    Raises:
        InputError: no ordinary file, too large, or no such JSON.
    """
    file = check_file(path, what)
    with disk_errors(file):
        if file.stat().st_size > most_bytes:
            raise InputError(f"{file}: can't be read (more than {most_bytes >> 20} MB): {cure}")
        data = file.read_bytes()
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise InputError(f"{file}: can't be read (nested too deeply): {cure}") from None
    except ValueError as error:
        raise InputError(f"{file}: can't be read ({error}): {cure}") from error


def checked(model: type[M], value: Any, where: object, cure: str) -> M:
    """`value` as `model`, a model or a dataclass of pydantic.

    Raises:
        InputError: names `where`, the field, what was found and what was expected.
    """
    try:
        return pydantic.TypeAdapter(model).validate_python(value)
    except RecursionError:
        raise InputError(f"{where}: can't be read (nested too deeply): {cure}") from None
    except pydantic.ValidationError as error:
        raise InputError(f"{where}: can't be read ({_first_fault(error)}): {cure}") from error


def _first_fault(error: pydantic.ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole"
    found = _short(first["input"])
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and not first["loc"]:  # it names the fields itself
        return f"{reason}{more}"
    if first["type"] == "missing":
        return f"{field} is missing{more}"
    return f"{field}: {reason}, found {found}{more}"


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, (dict, list)) else f"a {type(value).__name__} of {len(value)}"
    return text if len(text) <= 60 else text[:57] + "..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} comes twice")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")
