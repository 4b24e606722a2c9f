"""Frozen dataclasses of settings: every value is held against its annotation.

Annotations may be `bool`, `int`, `float`, `str`, `dict`, `Path`, `StrPath`, another dataclass, a
tuple of one of them (`tuple[str, ...]`), some texts (`Literal["pad", "stretch"]`), or one of these or None.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from common.errors import InputError

T = TypeVar("T")

# Metadata of a boolean field that is a flag without a word.
SWITCH = {"switch": True}

# What a caller may give where a path is meant; it is stored as a `Path`.
StrPath = str | os.PathLike[str]
# Far above any setting, and it fits a float32: nothing overflows on the way into a tensor.
_LARGEST = 1e30


def check_fields(settings: Any, name: str = "") -> None:
    """Hold each field of a dataclass against its annotation; for its `__post_init__`.

    A list becomes a tuple, one item a tuple of one, text a path, a whole number a float and a
    mapping a dataclass, where the annotation says so. Nothing else is converted: "no" is no
    bool, 2.5 no int.

    Args:
        settings: the instance, frozen or not.
        name: put before the fields' names in errors, such as "teach".

    Raises:
        InputError: naming the field, what was found and what was expected.
    """
    for field, hint in field_types(type(settings)).items():
        full = f"{name}.{field}" if name else field
        object.__setattr__(settings, field, convert(getattr(settings, field), hint, full))


def convert(value: Any, hint: Any, name: str) -> Any:
    """A value as its annotation wants it; see `check_fields`.

    Raises:
        InputError: naming the value.
    """
    if hint == StrPath or hint is Path:
        return _path(value, name)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _any_of(value, typing.get_args(hint), name)
    if typing.get_origin(hint) is typing.Literal:
        one_of(name, value, typing.get_args(hint))
        return value
    if typing.get_origin(hint) is tuple:
        return _tuple(value, typing.get_args(hint), name)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(value, hint, name)
    plain = typing.get_origin(hint) or hint
    if plain not in _PLAIN:
        return value
    expected, fits, make = _PLAIN[plain]
    if not fits(value):
        raise InputError(f"{name} must be {expected}, not {value!r}")
    if plain is float and _LARGEST < abs(value) < math.inf:
        raise InputError(f"{name} must be at most {_LARGEST:g} and at least {-_LARGEST:g}, not {value!r}")
    return make(value)


def field_types(cls: type) -> dict[str, Any]:
    """{field: its annotation, resolved} of a dataclass, in order."""
    return _field_types(cls)


@functools.cache
def _field_types(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def check_names(given: Mapping, known: Sequence[str], where: str) -> None:
    """Refuse a key that is none of those known.

    Raises:
        InputError: naming the key, and one that is like it.
    """
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise InputError(f"{where}: {key!r} is no setting; {hint}")


def one_of(name: str, value: Any, known: Collection[str]) -> None:
    """Refuse a word that is none of those known.

    Raises:
        InputError: naming the parameter and those known.
    """
    if value not in known:
        raise InputError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def check_seed(seed: int, name: str = "seed") -> None:
    """Refuse what is no seed: it must fit into 32 bits, as NumPy's and TensorFlow's do.

    Args:
        seed: to be checked. name: what errors call it.

    Raises:
        InputError: naming it.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"{name} must be at least 0 and below 2^32, not {seed}")


def _whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _named_values(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


_PLAIN: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool), bool),
    int: ("a whole number", _whole, int),
    float: ("a number", _number, float),
    str: ("text", lambda value: isinstance(value, str), str),
    dict: ("a mapping of names to values", _named_values, dict),
}


def _path(value: Any, name: str) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value) or "\0" in str(value):
        raise InputError(f"{name} must be a path, not {value!r}")
    return Path(value)


def _any_of(value: Any, hints: Sequence[Any], name: str) -> Any:
    """The first of the annotations that takes the value, None before all."""
    if value is None and type(None) in hints:
        return None
    *others, last = (hint for hint in hints if hint is not type(None))
    for hint in others:
        try:
            return convert(value, hint, name)
        except InputError:
            continue  # the last one names what was expected
    return convert(value, last, name)


def _tuple(value: Any, hints: Sequence[Any], name: str) -> tuple:
    if isinstance(value, str | os.PathLike | numbers.Real):
        value = (value,)
    if not isinstance(value, Sequence):
        raise InputError(f"{name} must be a list, not {value!r}")
    if hints[-1] is not Ellipsis:
        if len(value) != len(hints):
            raise InputError(f"{name} must be {len(hints)} values, not {list(value)!r}")
        return tuple(convert(item, hint, name) for item, hint in zip(value, hints))
    return tuple(convert(item, hints[0], name) for item in value)


def _dataclass(value: Any, cls: type[T], name: str) -> T:
    if isinstance(value, cls):
        check_fields(value, name)
        return value
    if not _named_values(value):
        raise InputError(f"{name} must be a mapping of its settings, not {value!r}")
    types_of = field_types(cls)
    check_names(value, list(types_of), name)
    return cls(**{key: convert(item, types_of[key], f"{name}.{key}") for key, item in value.items()})
