"""YAML as settings need it: plain values, each key once, nothing that grows when it is read."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from common.errors import InputError, disk_errors
from common.files import check_file

_MOST_BYTES = 1 << 20
_MOST_LEVELS = 20
_MOST_PARTS = 100_000
# Keys by which jsonargparse would import a class: no setting has such a name.
_IMPORTS = ("class_path", "init_args")


def read_mapping(path: str | os.PathLike, *, references: bool = False) -> dict[str, Any]:
    """A YAML file of settings: {name: value}.

    Args:
        path: the file.
        references: allow `*name` for a part that was written before as `&name`; the whole is bounded.

    Raises:
        InputError: no file, or larger than 1 MiB, no text, no YAML, no mapping, a key that
            stands twice, a reference to another part of the file, or a key that names code.
    """
    path = check_file(path, "a YAML file of settings")  # no device or pipe, which could be read for ever
    with disk_errors(path):
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"{path}: has {size} bytes, and settings take a few thousand: give another file")
        content = path.read_bytes()
    try:
        values = yaml.load(content.decode(), _WithReferences if references else _Loader)
        if references and _parts(values, {}) > _MOST_PARTS:
            raise InputError(f"{path}: stands for more than {_MOST_PARTS:,} values: write fewer references (*)")
    except RecursionError:
        raise InputError(f"{path}: a reference (*) stands in what it refers to: write the value out") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error}): give a YAML file of settings") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: {getattr(error, 'problem', None) or error}: correct the file") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: must be a mapping of names to values, not {str(values)[:80]!r}")
    return values


def load(text: str) -> Any:
    """The value that YAML text stands for; strict as `read_mapping`.

    Raises:
        yaml.YAMLError: it is refused, with the place.
    """
    return yaml.load(text, _Loader)


def dump(settings: Any) -> str:
    """YAML of a dataclass of settings, with the parts that are dataclasses too; `read_mapping` reads it."""
    return yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True, width=100)


class _Loader(yaml.SafeLoader):
    """The safe loader, with the refusals of `read_mapping`, and 1e-3 as a number."""

    _references = False

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._levels = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent) and not self._references:
            self._refuse("a reference (*) to another part of the file: write the value out", self.peek_event())
        self._levels += 1
        if self._levels > _MOST_LEVELS:
            self._refuse(f"more than {_MOST_LEVELS} levels of nesting", self.peek_event())
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                self._refuse("a merge (<<): write the values out", key)
            if key.tag != "tag:yaml.org,2002:str":
                self._refuse(f"the key {key.value!r} is no text", key)
            if key.value in seen:
                self._refuse(f"the key {key.value!r} stands twice", key)
            if key.value in _IMPORTS:
                self._refuse(f"the key {key.value!r} names code, and settings are values", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def _refuse(self, problem: str, where: yaml.Node | yaml.Event) -> None:
        mark: Any = where.start_mark  # of one type for YAML's own reader, of another for libyaml's
        raise yaml.constructor.ConstructorError(problem=problem, problem_mark=mark)


class _WithReferences(_Loader):
    _references = True


def _parts(value: Any, known: dict[int, int]) -> int:
    """How many values a value is, counting a part that is referred to each time."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_parts(item, known) for item in inner)
    return known[id(value)]


# YAML 1.1 takes a number without a dot, such as 1e-3, for text, and a date for more than text.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in pairs if not tag.endswith((":timestamp", ":merge"))]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_implicit_resolvers["<"] = yaml.SafeLoader.yaml_implicit_resolvers["<"]
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _plain(value: Any) -> Any:
    """A value as YAML has it: mappings, lists, text, numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
