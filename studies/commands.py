"""The commands of a study: what a user would type, and what the workflow runs."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterable
from typing import Any

import yaml

from common.errors import InputError
from common.shown import shown_text
from studies.declare import VARIABLE, Row, Source, Study, fill


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of this project.

    Attributes:
        name: "train", "compress", "evaluate" or "prepare".
        words: after the command's name, with environment variables by name.
    """

    name: str
    words: tuple[str, ...]

    @property
    def line(self) -> str:
        """The words for a shell; environment variables stay names, so that no private path is shown."""
        return " ".join(map(_quoted, self.words))

    @property
    def stored(self) -> str:
        """As a user types it, without the folders of this machine: what records and pages hold."""
        return shown_text(f"python {self.name}.py {self.line}", self.words)

    @property
    def variables(self) -> list[str]:
        """Names of the environment variables that it needs, and of those with a default that are set."""
        found = VARIABLE.findall(" ".join(self.words))
        return [name for name, default in found if not default or os.environ.get(name)]

    @property
    def expanded(self) -> list[str]:
        """The words with the environment's values."""
        return [VARIABLE.sub(_value, word) for word in self.words]


def row_command(study: Study, row: Row) -> Command | None:
    """What has to be run for a row; None where another row's run already holds the artefact."""
    if not row.trains:
        return None

    def place(name: str, path: str) -> str:
        (other,) = study.others(row, [row.named(name)])
        return str(study.run_folder(other) / path if path else study.artefacts(other)[0])

    source, run = study.datasets[row.data], str(study.run_folder(row))
    flags: dict[str, Any] = {"seed": study.seed if row.seed is None else row.seed}
    if row.train is not None:
        config = row.config or source.config
        words = [*(["--config", str(study.preset(config))] if config else []), "--data", str(source.path), "--run", run]
        flags["evaluate"] = False  # the study evaluates by itself, each artefact once
    else:
        words = [row.compress, fill(row.source, place), "--data", str(source.path), "--out", run]
    for name, value in fill({**flags, **row.options}, place).items():
        words += [f"--{name}", _word(value)]
    return Command("train" if row.train is not None else "compress", tuple(words))


def evaluate_command(study: Study, row: Row) -> Command:
    """What evaluates a row; it writes `result.json` and `predictions.csv` into the row's folder."""
    folder = study.folder(row)
    words = [*map(str, study.artefacts(row)), "--data", str(study.datasets[row.test].path), "--gaze", row.gaze]
    words += ["--latency", _word(study.latency), *(["--ensemble"] if row.ensemble else [])]
    words += ["--json", str(folder / "result.json"), "--predictions", str(folder / "predictions.csv")]
    return Command("evaluate", tuple(words))


def prepare_command(source: Source) -> Command | None:
    """What makes a data set; None where the study does not say."""
    return Command("prepare", (*map(str, source.prepare), "--out", str(source.path))) if source.prepare else None


def made_from(study: Study, name: str) -> list[str]:
    """Names of the study's data sets that the command reads which makes this one, as `prepare.py merge` does."""
    words = set(map(str, study.datasets[name].prepare))
    return [other for other, source in study.datasets.items() if other != name and str(source.path) in words]


def missing_datasets(study: Study, names: Iterable[str]) -> list[str]:
    """Of these data sets, and of those that they are made from, the ones that are not there: a maker's parts first."""
    found: list[str] = []
    for name in names:
        if name not in found and not study.datasets[name].path.exists():
            parts = missing_datasets(study, made_from(study, name))
            found += [part for part in (*parts, name) if part not in found]
    return found


def absence(study: Study, row: Row) -> str:
    """Why a row can't be made here, or ""."""
    commands = [row_command(study, row)]
    for name in missing_datasets(study, (row.data, row.test)):
        commands.append(prepare_command(study.datasets[name]))
        if commands[-1] is None:
            return f"there is no data set {study.datasets[name].path}"
    for name in (name for command in commands if command for name in command.variables):
        if not os.environ.get(name):
            return f"the environment variable {name} is not set"
    reasons = ((other.name, absence(study, other)) for other in study.others(row, row.needs()))
    return next((f"needs {name}: {reason}" for name, reason in reasons if reason), "")


def _value(match: re.Match[str]) -> str:
    """Of a variable; as in a shell, a default also takes the place of one that is empty."""
    name, default = match.groups()
    if default is None and name not in os.environ:
        raise InputError(f"the environment variable {name} is not set, which the study's file names")
    return os.environ[name] if default is None else os.environ.get(name) or default


def _quoted(word: str) -> str:
    quoted, end = [], 0
    for match in VARIABLE.finditer(word):
        if text := word[end : match.start()]:
            quoted.append(shlex.quote(text))
        quoted.append(f'"{match[0]}"')
        end = match.end()
    if end < len(word) or not word:
        quoted.append(shlex.quote(word[end:]))
    return "".join(quoted)


def _word(value: Any) -> str:
    """One word that both YAML and a shell's user read: `[student, int8]`, `{width: 0.45}`, true."""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("...\n").strip()
