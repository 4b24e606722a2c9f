"""Flags: jsonargparse with one-line errors, filled from a dataclass of settings and from YAML presets."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import docstring_parser
import jsonargparse
import yaml

from common import strict_yaml
from common.errors import InputError, flag_of
from common.typed import StrPath, check_names, convert, field_types

T = TypeVar("T")

# Flags are values: none of them, nor a file that one of them names, imports anything, and YAML in
# a flag is read as strictly as YAML in a file.
jsonargparse.set_parsing_settings(import_path_denylist=["*"])
jsonargparse.set_loader("yaml", strict_yaml.load, exceptions=(yaml.YAMLError,))
# What jsonargparse says of a word that is no number, where a number or nothing is meant.
_NO_NUMBER = re.compile(
    r'Parser key "([\w.]+)": Does not validate against any of the Union subtypes '
    r"Subtypes: \[<class '(float|int)'>, <class 'NoneType'>\] .* Given value: (.*)"
)


class Presets(dict[str, Any]):
    """The fields that presets set, converted.

    Attributes:
        files: {setting, such as "distil.epochs": the file that has set it}.
    """

    def __init__(self, values: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        super().__init__(values)
        self.files = files


class Parser(jsonargparse.ArgumentParser):
    """An `ArgumentParser` whose errors are `InputError`, so that each is one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("exit_on_error", False)
        super().__init__(*args, **kwargs)
        self._listed: dict[str, bool] = {}  # flags of tuples; whether of numbers
        self._typed: set[str] = set()
        self._files: Mapping[str, Path] = {}

    def add_settings(
        self,
        cls: type,
        preset: Mapping[str, Any] | None = None,
        about: Mapping[str, str] | None = None,
        skip: Collection[str] = (),
    ) -> None:
        """Add a flag for each field of a dataclass; its help is the docstring's "Attributes".

        `teacher_path` is `--teacher-path`; a field that is a dataclass itself gives `--teach.epochs`
        and so on. A flag of a tuple takes its words one after the other, or one YAML list. The fields'
        metadata may hold more: `positional`, a word without a flag, of a tuple all such words; `switch`,
        a flag that takes no word; `metavar`, what --help shows for the value.

        Args:
            cls: dataclass, with annotations as in `common.typed`.
            preset: values that replace the defaults, converted.
            about: {field: the help to show instead of what the docstring says}.
            skip: fields that the command fills itself.
        """
        self._files = {**self._files, **(preset.files if isinstance(preset, Presets) else {})}
        preset = preset or {}
        said = {**field_docs(cls), **(about or {})}
        for field in dataclasses.fields(cls):
            hint = field_types(cls)[field.name]
            positional = field.metadata.get("positional", False)
            flag = field.name if positional else f"--{field.name.replace('_', '-')}"
            if field.name in skip:
                continue
            if field.metadata.get("switch"):
                self.add_argument(flag, action="store_true", help=said.get(field.name))
                continue
            options: dict[str, Any] = {"type": Path if hint == StrPath else hint, "help": said.get(field.name)}
            if words := _words_of(hint):
                # Any text: the dataclass refuses one that is none of them, and in plainer words.
                options |= {"type": str if words == typing.get_args(hint) else str | None}
                options["metavar"] = "{" + ",".join(words) + "}"
            if "metavar" in field.metadata:
                options["metavar"] = field.metadata["metavar"]
            if positional and typing.get_origin(hint) is tuple:
                item = typing.get_args(hint)[0]
                options |= {"nargs": "+" if _is_required(field) else "*", "type": Path if item == StrPath else item}
                self.add_argument(flag, **options)
                continue
            if field.name in preset or not _is_required(field):
                options["default"] = preset.get(field.name, _default(field))
            elif not positional:
                options["required"] = True
            if dataclasses.is_dataclass(hint) and isinstance(hint, type):
                del options["help"]  # of its own fields
                parts = {f"{flag}.{name}": part for name, part in field_types(hint).items()}
            else:
                parts = {flag: hint}
            self._listed |= {name: _holds(part, float, int) for name, part in parts.items() if _holds(part, tuple)}
            self.add_argument(flag, **options)

    def parse_args(self, args: Sequence[str] | None = None, *rest: Any, **kwargs: Any) -> jsonargparse.Namespace:
        """Parse; the words after a flag of a tuple are one list."""
        if args is not None:
            args = _as_lists(list(args), self._listed)
            self._typed = {word.partition("=")[0] for word in args}
        return super().parse_args(args, *rest, **kwargs)

    def preset_of(self, setting: str) -> Path | None:
        """The preset that has set "distil.epochs", unless its flag, or that of the whole part, was typed."""
        flags = {flag_of(setting), flag_of(setting.partition(".")[0])}
        return None if flags & self._typed else self._files.get(setting)

    def error(self, message: str, ex: Exception | None = None) -> typing.Never:
        line = " ".join(str(message).split())
        if found := _NO_NUMBER.fullmatch(line):
            kind = "whole" if found[2] == "int" else "finite"
            raise InputError(f"{found[1]} must be a {kind} number, not {found[3]}", parameter=found[1]) from ex
        raise InputError(f"{line} (--help lists the flags)") from ex


class PlainHelp(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """For `formatter_class`: --help keeps the line breaks of the description."""


def _words_of(hint: Any) -> tuple[str, ...]:
    """The words that a `Literal` allows, or a `Literal` or None; none of another annotation."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    return _words_of(inner[0]) if len(inner) == 1 and typing.get_origin(hint) in (typing.Union, types.UnionType) else ()


def settings_of(cls: type[T], parser: Parser, parsed: jsonargparse.Namespace, **more: Any) -> T:
    """The dataclass that parsed flags stand for.

    Args:
        cls: the dataclass that `add_settings` made flags of. parser: that made them. parsed: its answer.
        more: the fields that were left out there.

    Raises:
        InputError: what the dataclass refuses.
    """
    try:
        values = parser.instantiate(parsed)
        return cls(**{name: values[name] for name in field_types(cls) if name not in more}, **more)
    except InputError as error:
        # The message begins with the field; whoever typed its flag is given that, too.
        first = str(error).split(" ", 1)[0].rstrip(":")
        flags = {
            field.name
            for field in dataclasses.fields(typing.cast(Any, cls))
            if not field.metadata.get("positional", False)
        }
        if error.parameter is None and first.partition(".")[0] in flags:
            error.parameter = first
        if file := parser.preset_of(error.parameter or ""):
            raise InputError(f"{file}: {error}", parameter=error.parameter) from error
        raise


def split_presets(words: list[str]) -> tuple[list[Path], list[str]]:
    """(files named by `--config`, in order; all other words): every other flag wins, wherever it stands.

    Raises:
        InputError: a `--config` without a file.
    """
    files, others = [], []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--config":
            if not words or words[0].startswith("--"):
                raise InputError("--config: no file is named: give a YAML preset, such as configs/demo.yaml")
            files.append(Path(words.pop(0)))
        elif word.startswith("--config="):
            files.append(Path(word.partition("=")[2]))
        else:
            others.append(word)
    return files, others


def read_presets(cls: type, files: list[Path]) -> Presets:
    """The fields of a dataclass that YAML presets set, converted; a later file wins over an earlier one.

    Raises:
        InputError: a file that is none (see `strict_yaml.read_mapping`), an unknown setting or
            a value of another type, with the file.
    """
    types_of = field_types(cls)
    merged, origin = dict[str, Any](), dict[str, Path]()
    for file in files:
        given = strict_yaml.read_mapping(file)
        check_names(given, list(types_of), str(file))
        for name, value in given.items():
            # Here so that the error names the file; what an earlier preset set of the same part stays.
            try:
                convert(value, types_of[name], f"{file}: {name}")
            except InputError as error:
                if str(error).startswith(f"{file}: "):
                    raise
                raise InputError(f"{file}: {error}") from error  # of a part that knows its own name alone
            both = dataclasses.is_dataclass(types_of[name]) and name in merged
            merged[name] = {**merged[name], **value} if both else value
            parts = value if dataclasses.is_dataclass(types_of[name]) else ()
            origin |= dict.fromkeys((name, *(f"{name}.{part}" for part in parts)), file)
    return Presets({name: convert(value, types_of[name], name) for name, value in merged.items()}, origin)


def field_docs(cls: type) -> dict[str, str]:
    """{field: its description} by the "Attributes" of the docstrings of a dataclass and of those that it extends."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        parsed = docstring_parser.parse(each.__doc__ or "", style=docstring_parser.DocstringStyle.GOOGLE)
        for param in parsed.params:
            text = " ".join((param.description or "").split())
            found |= {name.strip(): text for name in param.arg_name.split(",")}
    return found


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _holds(hint: Any, *types: Any) -> bool:
    """Whether an annotation is one of the types, or has one in it."""
    return (
        hint in types or typing.get_origin(hint) in types or any(_holds(part, *types) for part in typing.get_args(hint))
    )


def _as_lists(words: list[str], flags: Mapping[str, bool]) -> list[str]:
    """The words that follow one of the flags as one word, a YAML list; one that is a list already stays."""
    out: list[str] = []
    while words:
        out.append(words.pop(0))
        flag, equals, value = out[-1].partition("=")
        if flag not in flags:
            continue
        values = [value] if equals else []
        while not equals and words and not words[0].startswith("--"):
            values.append(words.pop(0))
        if values and not values[0].startswith("["):
            items = values if flags[flag] else [json.dumps(value, ensure_ascii=False) for value in values]
            values = [f"[{', '.join(items)}]"]
        if equals:
            out[-1] = f"{flag}={' '.join(values)}"
        else:
            out += values
    return out
