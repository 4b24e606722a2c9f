"""The YAML of a study: fields that are taken one by one, so that what is left over is an error."""

from __future__ import annotations

from pathlib import Path

import yaml

from common.errors import InputError, disk_errors


class Fields:
    """A mapping whose fields are taken one by one; what is left over is an error."""

    def __init__(self, where: str, values):
        if not isinstance(values, dict):
            raise InputError(f"{where}: is a {type(values).__name__}, expected fields with names")
        self.where, self.values = where, values
        self._taken: set[str] = set()

    def take(self, name: str, kind: type, *default):
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


class _Loader(yaml.SafeLoader):
    """Refuses a name that stands twice, of which YAML would keep the last in silence."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for name in names:
            if names.count(name) > 1:
                raise yaml.MarkedYAMLError(problem=f"{name!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path):
    try:
        with disk_errors(path):
            return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no study ({error}): mend the YAML") from error
