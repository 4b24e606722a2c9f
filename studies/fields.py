"""The YAML of a study: fields that are taken one by one, so that what is left over is an error."""

from __future__ import annotations

from typing import Any

from common.errors import InputError


class Fields:
    """A mapping whose fields are taken one by one; what is left over is an error."""

    def __init__(self, where: str, values):
        if not isinstance(values, dict):
            raise InputError(f"{where}: is a {type(values).__name__}, expected fields with names")
        self.where, self.values = where, values
        self._taken: set[str] = set()

    def take(self, name: str, kind: type, *default: Any) -> Any:
        self._taken.add(name)
        if name not in self.values:
            if default:
                return default[0]
            raise InputError(f"{self.where}.{name}: is missing")
        value = self.values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{self.where}.{name}: is {value!r}, expected {KINDS[kind]}")
        return value

    def end(self) -> None:
        unknown = [name for name in self.values if name not in self._taken]
        if unknown:
            raise InputError(f"{self.where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(self._taken))}")


KINDS = {dict: "fields with names", list: "a list", str: "a text", int: "a whole number"}
