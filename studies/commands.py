"""The command of a row: what a user would type, and what is run."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path

from common.shown import shown_text
from studies.declare import Row, Source, Study, expand, fill

_ROOT = Path(__file__).resolve().parents[1]
# Flags that take their values as words one after the other.
_MANY_WORDS = ("teacher-path", "teacher-weights", "sparsity", "clusters", "keep", "kinds")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of this project.

    Attributes:
        name: "train", "compress" or "prepare".
        words: after the command's name, with environment variables by name.
    """

    name: str
    words: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As a user types it; environment variables stay names, so that no private path is shown."""
        quoted = [f'"{word}"' if "${" in word else shlex.quote(word) for word in self.words]
        return " ".join(["python", f"{self.name}.py", *quoted])

    @property
    def stored(self) -> str:
        """The same, without the folders of this machine: what records, logs and pages hold."""
        return shown_text(self.shown, self.words)

    @property
    def expanded(self) -> list[str]:
        """The words with the environment's values."""
        return [expand(word) for word in self.words]

    def argv(self, overwrite: bool = False) -> list[str]:
        """For `subprocess`. What lies in a run folder of the study's own may be replaced."""
        words = [sys.executable, str(_ROOT / f"{self.name}.py"), *self.expanded]
        return [*words, "--overwrite"] if overwrite else words


def row_command(study: Study, row: Row) -> Command | None:
    """What has to be run for a row; None where another row's run already holds the artefact."""
    if row.how not in ("train", "compress"):
        return None

    def place(name: str, path: str) -> str:
        other = study.row(row.table, name)
        return str(study.run_folder(other) / path if path else study.artefact(other))

    source = study.datasets[row.data]
    run = str(study.run_folder(row))
    flags = dict(row.flags)
    if row.how == "train":
        config = row.config or source.config
        words = ["--config", str(config)] if config else []
        words += ["--data", str(source.path), "--run", run]
        # The study evaluates by itself, each artefact once.
        flags = {"seed": study.seed, "evaluate": False, **flags}
    else:
        words = [row.method, fill(row.source, place), "--data", str(source.path), "--out", run]
        flags = {"seed": study.seed, **flags}
    for name, value in fill(flags, place).items():
        words += _flag(name, value)
    return Command(row.how, tuple(words))


def command_of(study: Study, row: Row) -> Command:
    """The command of a `train` or `compress` row."""
    command = row_command(study, row)
    if command is None:
        raise ValueError(f"{row.key} is no row of train or compress")
    return command


def prepare_command(source: Source) -> Command | None:
    """What makes a data set; None where the study does not say."""
    if not source.prepare:
        return None
    return Command("prepare", (*source.prepare, "--out", str(source.path)))


def _flag(name: str, value) -> list[str]:
    if isinstance(value, list) and name in _MANY_WORDS:
        return [f"--{name}", *(str(item) for item in value)]
    return [f"--{name}", _word(value)]


def _word(value) -> str:
    """One word that both YAML and a shell's user read: `[student, int8]`, `{width: 0.45}`, true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(_word(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_word(item)}" for key, item in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value)
