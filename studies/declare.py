"""What a study is, as its YAML file declares it: data sets, tables, rows.

    runs: runs/lineage
    seed: 0
    datasets:
      real: {path: datasets/real, config: configs/real.yaml, prepare: [fetal-planes, "${DIR}"]}
    tables:
      real:
        data: real
        baseline: vgg16
        rows:
          vgg16:   {model: VGG-16, train: {stages: [teacher]}, artefact: teacher/teacher.keras}
          student: {model: SqueezeNet 1.1, transfer: soft targets, artefact: int8/student_int8.tflite,
                    train: {stages: [student, int8], teacher-path: "{vgg16}"}}
          pruned:  {model: SqueezeNet 1.1, compress: prune, source: "{student:student/student.keras}", ...}
          ptq:     {model: SqueezeNet 1.1, of: student, artefact: int8/student_ptq.tflite}
          both:    {model: two together, ensemble: [student, pruned]}
      few:
        data: real
        test: fresh                         # another data set, whose test split is what the rows are evaluated on
        train: {labelled-patients: 16}      # for all rows that train, unless they say otherwise
        seeds: [0, 1, 2]                    # each row becomes alone.s0, alone.s1, alone.s2
        rows: {alone: {...}, whole: {...}}
        claims: [[whole, alone]]            # the first is claimed to be better

`train` holds flags of train.py and `flags` those of compress.py, by their names. `{row}` is the
artefact of another row, `{row:path}` another file of its run, `${NAME}` an environment variable.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.strict_yaml import read_mapping
from data.pipeline import GAZE_MODES
from studies.fields import Fields
from studies.repeat import repeat_rows, share_flags

_REFERENCE = re.compile(r"(?<!\$)\{([\w.-]+)(?::([^{}]+))?\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[\w.-]+")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        table, name: where it is declared.
        model, transfer: what the table says about it.
        how: "train", "compress", "of" (a file of another row's run) or "ensemble".
        data: name of its data set.
        artefact: the file that is evaluated, relative to the run folder; empty for an ensemble.
        flags: of train.py or compress.py, by name.
        method, source: of compress.py: its command and its first argument.
        of: the row whose run holds the artefact.
        members: rows of the ensemble.
        run: run folder of its own choice, shared with whoever trains there; None = the study's.
        config: preset of its own choice; None = the data set's.
        gaze: what the artefact sees when it is evaluated.
        form: what the table says of the artefact's numbers.
        test: name of the data set whose test split it is evaluated on; empty: `data`.
    """

    table: str
    name: str
    model: str
    transfer: str
    how: str
    data: str
    artefact: str
    flags: dict
    method: str = ""
    source: str = ""
    of: str = ""
    members: tuple[str, ...] = ()
    run: Path | None = None
    config: Path | None = None
    gaze: str = "real"
    form: str = ""
    test: str = ""

    @property
    def key(self) -> str:
        return f"{self.table}/{self.name}"

    @property
    def tested_on(self) -> str:
        """Name of the data set whose test split it is evaluated on."""
        return self.test or self.data

    def needs(self) -> tuple[str, ...]:
        """Names of the rows it is made from, each once."""
        named = [name for name, _ in references([self.flags, self.source])]
        return tuple(dict.fromkeys([*named, *self.members, *([self.of] if self.of else [])]))

    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that it needs."""
        return tuple(
            dict.fromkeys(name for text in _texts([self.flags, self.source]) for name in _VARIABLE.findall(text))
        )


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows that are compared with each other.

    Attributes:
        name, title, note: what it is called, its heading, a sentence under it.
        baseline: row that size, speed and accuracy are compared with.
        reference: row that the smallest student is to stay within a point of, or "".
        target: {"accuracy", "bytes"} that the best distilled 8-bit student is held against, or empty.
        rows: in their order.
        claims: pairs of arms, of the names before `seeds` repeats them: the first is claimed to be better.
    """

    name: str
    title: str
    note: str
    baseline: str
    reference: str
    target: dict
    rows: dict[str, Row]
    claims: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set of the study.

    Attributes:
        path: its folder.
        config: preset of train.py for what is trained on it; None = train.py's defaults.
        prepare: words after `prepare.py` that make it, without --out; empty = somebody else makes it.
    """

    path: Path
    config: Path | None
    prepare: tuple[str, ...]

    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that making it needs."""
        return variables(self.prepare)


@dataclasses.dataclass(frozen=True)
class Study:
    """All of it; `path` is the file, `runs` the folder where everything lies."""

    path: Path
    runs: Path
    seed: int
    datasets: dict[str, Source]
    tables: dict[str, Table]

    def rows(self) -> Iterator[Row]:
        for table in self.tables.values():
            yield from table.rows.values()

    def row(self, table: str, name: str) -> Row:
        return self.tables[table].rows[name]

    def folder(self, row: Row) -> Path:
        """What the study keeps about a row: its command, its log, its result."""
        return self.runs / row.table / row.name

    def run_folder(self, row: Row) -> Path:
        """Where train.py or compress.py write."""
        if row.of:
            return self.run_folder(self.row(row.table, row.of))
        return row.run or self.folder(row) / "run"

    def artefact(self, row: Row) -> Path:
        return self.run_folder(row) / row.artefact

    def in_order(self, rows: list[Row]) -> list[Row]:
        """These rows and all that they are made from, each after what it needs."""
        found: dict[str, Row] = {}

        def visit(row: Row) -> None:
            for name in row.needs():
                visit(self.row(row.table, name))
            found.setdefault(row.key, row)

        for row in rows:
            visit(row)
        return list(found.values())


def read_study(path: str | os.PathLike, runs: str | os.PathLike | None = None) -> Study:
    """Read and check a study's file.

    Args:
        path: the YAML file.
        runs: folder that takes the place of the file's own.

    Raises:
        InputError: no such file, no YAML, or a field that is missing, unknown or wrong; it
            names the field.
    """
    path = Path(path)
    top = Fields(str(path), read_mapping(path, references=True))
    datasets = {}
    for name, value in top.take("datasets", dict, {}).items():
        fields = Fields(f"{path}: datasets.{name}", value)
        config = fields.take("config", str, "")
        datasets[name] = Source(
            Path(fields.take("path", str)),
            Path(config) if config else None,
            tuple(str(word) for word in fields.take("prepare", list, [])),
        )
        fields.end()
    tables = {
        name: _read_table(f"{path}: tables.{name}", name, value, datasets)
        for name, value in top.take("tables", dict).items()
    }
    study = Study(path, Path(runs or top.take("runs", str)), top.take("seed", int, 0), datasets, tables)
    top.take("runs", str, "")
    top.end()
    return study


def references(value: Any) -> list[tuple[str, str]]:
    """All `{row}` and `{row:path}` in flags or words: [(row, path or "")]."""
    return [match for text in _texts(value) for match in _REFERENCE.findall(text)]


def variables(value: Any) -> tuple[str, ...]:
    """Names of all `${NAME}` in flags or words, each once."""
    return tuple(dict.fromkeys(name for text in _texts(value) for name in _VARIABLE.findall(text)))


def fill(value: Any, replace: Callable[[str, str], str]) -> Any:
    """Flags or a word with each `{row:path}` in a text replaced by `replace(row, path)`."""
    if isinstance(value, dict):
        return {name: fill(item, replace) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, replace) for item in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: replace(match[1], match[2] or ""), value)
    return value


def expand(text: str) -> str:
    """The text with each `${NAME}` replaced by the environment's value; all must be set."""
    return _VARIABLE.sub(lambda match: os.environ[match[1]], text)


def _texts(value) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _read_table(where: str, name: str, value, datasets: dict[str, Source]) -> Table:
    _check_name(where, name)
    fields = Fields(where, value)
    data, test = fields.take("data", str), fields.take("test", str, "")
    seeds = fields.take("seeds", list, [])
    written = share_flags(fields.take("rows", dict), fields.take("train", dict, {}))
    claims = _read_claims(f"{where}.claims", fields.take("claims", list, []), written)
    declared = repeat_rows(where, written, seeds) if seeds else written
    rows = {
        key: _read_row(f"{where}.rows.{key}", name, key, settings, data, datasets, test)
        for key, settings in declared.items()
    }
    target = fields.take("target", dict, {})
    if target and set(target) != {"accuracy", "bytes"}:
        raise InputError(f"{where}.target: has {', '.join(target)}, expected accuracy and bytes")
    for field, value in target.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where}.target.{field}: is {value!r}, expected a number")
    table = Table(
        name,
        fields.take("title", str, name),
        fields.take("note", str, ""),
        fields.take("baseline", str),
        fields.take("reference", str, ""),
        target,
        rows,
        claims,
    )
    fields.end()
    for field in ("baseline", "reference"):
        if getattr(table, field) and getattr(table, field) not in rows:
            raise InputError(f"{where}.{field}: there is no row {getattr(table, field)!r}: name one of its rows")
    for row in rows.values():
        for needed in row.needs():
            if needed not in rows:
                raise InputError(f"{where}.rows.{row.name}: needs the row {needed!r}, which is not declared")
        if row.of and rows[row.of].how not in ("train", "compress"):
            raise InputError(f"{where}.rows.{row.name}.of: {row.of} has no run of its own: name the row that trains")
    _refuse_circles(where, rows)
    return table


def _read_row(where: str, table: str, name: str, value, data: str, datasets: dict[str, Source], test: str) -> Row:
    _check_name(where, name)
    fields = Fields(where, value)
    ways = [way for way in ("train", "compress", "of", "ensemble") if way in fields.values]
    if len(ways) != 1:
        raise InputError(f"{where}: has {' and '.join(ways) or 'none'} of train, compress, of, ensemble: give one")
    way = ways[0]
    row = Row(
        table=table,
        name=name,
        model=fields.take("model", str),
        transfer=fields.take("transfer", str, ""),
        how=way,
        data=fields.take("data", str, data),
        artefact=fields.take("artefact", str) if way != "ensemble" else "",
        flags=fields.take("train", dict) if way == "train" else fields.take("flags", dict, {}),
        method=fields.take("compress", str) if way == "compress" else "",
        source=fields.take("source", str) if way == "compress" else "",
        of=fields.take("of", str) if way == "of" else "",
        members=_members(fields) if way == "ensemble" else (),
        run=_path(fields.take("run", str, "")),
        config=_path(fields.take("config", str, "")),
        gaze=fields.take("gaze", str, "real"),
        form=fields.take("form", str, ""),
        test=fields.take("test", str, test),
    )
    fields.end()
    for field, named in (("data", row.data), ("test", row.tested_on)):
        if named not in datasets:
            raise InputError(f"{where}.{field}: there is no data set {named!r}: it is none of {', '.join(datasets)}")
    if way == "ensemble" and len(row.members) < 2:
        raise InputError(f"{where}.ensemble: names {len(row.members)} row: name two or more")
    if len(set(row.members)) != len(row.members):
        raise InputError(f"{where}.ensemble: {', '.join(row.members)}: names a row twice")
    if row.gaze not in GAZE_MODES:
        raise InputError(f"{where}.gaze: {row.gaze!r} is none of {', '.join(GAZE_MODES)}")
    return row


def _read_claims(where: str, pairs: list, rows: dict) -> tuple[tuple[str, str], ...]:
    for pair in pairs:
        named = isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        if not named or not set(pair) <= set(rows):
            raise InputError(f"{where}: {pair!r} is no pair of rows: give the better one and the other")
    return tuple((better, other) for better, other in pairs)


def _members(fields: Fields) -> tuple[str, ...]:
    members = fields.take("ensemble", list)
    for member in members:
        if not isinstance(member, str):
            raise InputError(f"{fields.where}.ensemble: {member!r} is no name of a row: write it as text")
    return tuple(members)


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _check_name(where: str, name: str) -> None:
    # It is the name of a folder.
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("."):
        raise InputError(f"{where}: {name!r} is no name: use letters, digits, '.', '_' and '-'")


def _refuse_circles(where: str, rows: dict[str, Row]) -> None:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise InputError(f"{where}.rows: {' → '.join([*above[above.index(name) :], name])} is a circle: cut it")
        if name not in done:
            for needed in rows[name].needs():
                visit(needed, (*above, name))
            done.add(name)

    for name in rows:
        visit(name, ())
