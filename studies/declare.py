"""What a study is, as its YAML file declares it: data sets, tables, rows; docs/studies.md has an example of all fields.

`{row}` in a flag is the artefact of another row, with the same seed, `{row:path}` another file of its run,
`{table/row}` that of a row of another table, by its full name, `${NAME}` an environment variable, `${NAME:-1}` one that
is 1 where it is not set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from common.documents import checked
from common.errors import InputError
from common.strict_yaml import read_mapping

_REFERENCE = re.compile(r"(?<!\$)\{((?:[\w.-]+/)?[\w.-]+)(?::([^{}]+))?\}")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([\w.]+))?\}")  # name, default
# It is the name of a folder, and a part of a rule's name.
_Name = Annotated[str, pydantic.Field(pattern=r"^[\w-][\w.-]*$")]
_Path = Annotated[Path, pydantic.Field(strict=False)]


class _Fields(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)


class Row(_Fields):
    """One line of a table.

    Attributes:
        table, name, seed: where it is declared, and with which of the table's seeds it is repeated.
        model, transfer, form: what the table says about it.
        artefact: the file that is evaluated, relative to the run folder; empty for an ensemble.
        data, test: names of the data sets that it is trained on, and whose test split it is evaluated on.
        gaze: what the artefact sees when it is evaluated.
        train: flags of train.py. compress, source, flags: command of compress.py, its first argument, its flags.
        of: the row whose run holds the artefact. ensemble: rows that answer together.
        run: run folder of its own choice, shared with whoever trains there. config: preset of its own choice.
    """

    table: str
    name: str
    seed: int | None
    model: str
    transfer: str = ""
    form: str = ""
    artefact: str = ""
    data: str
    test: str
    gaze: Literal["real", "none", "shuffled", "centre"] = "real"
    train: dict[str, Any] | None = None
    compress: str = ""
    source: str = ""
    flags: dict[str, Any] = {}
    of: str = ""
    ensemble: list[str] = []
    run: _Path | None = None
    config: _Path | None = None

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Row:
        ways = [way for way in ("train", "compress", "of", "ensemble") if way in self.model_fields_set]
        if len(ways) != 1:
            raise ValueError(f"has {' and '.join(ways) or 'none'} of train, compress, of, ensemble: give one")
        if not self.artefact and not self.ensemble:
            raise ValueError("artefact is missing")
        if self.ensemble and len(set(self.ensemble)) < max(2, len(self.ensemble)):
            raise ValueError(f"ensemble names {', '.join(self.ensemble)}: name two or more different rows")
        return self

    @property
    def key(self) -> str:
        """table/row, which no other row of the study has."""
        return f"{self.table}/{self.name}"

    @property
    def trains(self) -> bool:
        """Whether it has a command of its own."""
        return self.train is not None or bool(self.compress)

    @property
    def options(self) -> dict[str, Any]:
        """Flags of its command."""
        return self.train if self.train is not None else self.flags

    def named(self, name: str) -> str:
        """The full name of a row that this one names: that of the same seed; table/row is one already."""
        return name if "/" in name else of_seed(name, self.seed)

    def references(self) -> list[tuple[str, str]]:
        """All `{row}`, `{row:path}` and `{table/row}`: [(full name, path or "")]."""
        return [
            (self.named(name), path)
            for text in _texts([self.options, self.source])
            for name, path in _REFERENCE.findall(text)
        ]

    def parts(self) -> tuple[str, ...]:
        """Full names of the rows whose artefacts it is evaluated with, where it has none of its own."""
        return tuple(self.named(name) for name in [*self.ensemble, *([self.of] if self.of else [])])

    def needs(self) -> tuple[str, ...]:
        """Full names of the rows that it is made from, each once."""
        return tuple(dict.fromkeys([*(name for name, _ in self.references()), *self.parts()]))


class Target(_Fields):
    """What the best distilled 8-bit student is compared with."""

    accuracy: float
    bytes: int


class Table(_Fields):
    """Rows that are compared with each other.

    Attributes:
        data, test, train, seeds: shared by its rows.
        baseline: row that size, speed and accuracy are compared with.
        reference: row that the smallest student is to stay within one percentage point of, or "".
        rows: in their order, one for each seed.
        claims: pairs of names as they are declared: the first is claimed to be better.
        described: more pairs whose difference is shown, without a claim.
        shares: triples of names: of what the first gains over the third, the share that the second loses is shown.
        fold_of: tables of the same name here are folds of one comparison: their test splits share no patient, and
            their results are read together, as mean accuracy over the folds.
        positive: class whose mean area under the ROC curve counts instead; the folds are then a random sample.
    """

    title: str = ""
    note: str = ""
    data: str
    test: str = ""
    train: dict[str, Any] = {}
    seeds: list[Annotated[int, pydantic.Field(ge=0)]] = []
    baseline: str
    reference: str = ""
    target: Target | None = None
    rows: dict[_Name, Row]
    claims: list[Annotated[list[str], pydantic.Field(min_length=2, max_length=2)]] = []
    described: list[Annotated[list[str], pydantic.Field(min_length=2, max_length=2)]] = []
    shares: list[Annotated[list[str], pydantic.Field(min_length=3, max_length=3)]] = []
    fold_of: str = ""
    positive: str = ""

    @pydantic.model_validator(mode="after")
    def _names_its_rows(self) -> Table:
        declared = {split_name(name)[0] for name in self.rows} if self.seeds else set(self.rows)
        named = [("baseline", self.baseline), ("reference", self.reference or self.baseline)]
        named += [(f"rows.{row.name}", name) for row in self.rows.values() for name in row.needs()]
        compared = {"claims": self.claims, "described": self.described, "shares": self.shares}
        named += [(field, name) for field, groups in compared.items() for names in groups for name in names]
        for field, name in named:
            if "/" not in name and name not in (declared if field in compared else self.rows):
                raise ValueError(f"{field}: names the row {name!r}, which is not declared")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: names a seed twice")
        if self.positive and not self.fold_of:
            raise ValueError("positive: is of folds, and fold_of is not given: give both, or none")
        for row in self.rows.values():
            if "/" in "".join(row.parts()):
                raise ValueError(f"rows.{row.name}: of and ensemble name rows of their own table, without it")
            if row.of and not self.rows[row.named(row.of)].trains:
                raise ValueError(f"rows.{row.name}.of: {row.of} has no run of its own: name the row that trains")
        return self


class Source(_Fields):
    """A data set: its folder, the preset of what is trained on it, and the words after `prepare.py` that make it."""

    path: _Path
    config: _Path | None = None
    prepare: list[str | int | float] = []


class Study(_Fields):
    """All of it; `path` is the file, `runs` the folder where everything lies."""

    path: Path
    runs: _Path
    seed: int = 0
    latency: bool = True
    datasets: dict[_Name, Source]
    tables: dict[_Name, Table]

    @pydantic.model_validator(mode="after")
    def _names_its_data(self) -> Study:
        for row in self.rows():
            for name in (row.data, row.test):
                if name not in self.datasets:
                    raise ValueError(f"{row.key}: there is no data set {name!r}, only {', '.join(self.datasets)}")
            for name in row.needs():
                table, _, other = name.rpartition("/")
                if table and not (table in self.tables and other in self.tables[table].rows):
                    raise ValueError(
                        f"tables.{row.table}.rows.{row.name}: names the row {name!r}, which is not declared"
                    )
        return self

    def preset(self, config: Path) -> Path:
        """Where a preset lies: as it is named, or else below the folder above the study's own, as in a clone."""
        in_clone = self.path.absolute().parent.parent / config
        return in_clone if not config.exists() and in_clone.is_file() else config

    def rows(self) -> Iterator[Row]:
        """All rows, table after table."""
        for table in self.tables.values():
            yield from table.rows.values()

    def others(self, row: Row, names: Sequence[str]) -> list[Row]:
        """Rows by their full names, of the same table where they name none."""
        places = [name.rpartition("/") for name in names]
        return [self.tables[table or row.table].rows[name] for table, _, name in places]

    def folder(self, row: Row) -> Path:
        """What the study keeps about a row: its settings, its log, its result."""
        return self.runs / row.table / row.name

    def run_folder(self, row: Row) -> Path:
        """Where train.py or compress.py write."""
        return self.run_folder(self.others(row, row.parts())[0]) if row.of else row.run or self.folder(row) / "run"

    def artefacts(self, row: Row) -> list[Path]:
        """The file that is evaluated; of an ensemble those of its members."""
        if row.ensemble:
            return [path for member in self.others(row, row.parts()) for path in self.artefacts(member)]
        return [self.run_folder(row) / row.artefact]


def read_study(path: str | os.PathLike, runs: str | os.PathLike | None = None) -> Study:
    """Read and check a study's file.

    Args:
        path: the YAML file.
        runs: folder that takes the place of the file's own.

    Raises:
        InputError: no such file, no YAML, or a field that is missing, unknown or wrong; it names the field.
    """
    read = read_mapping(Path(path), references=True)
    tables = read.get("tables")
    if isinstance(tables, dict):
        read["tables"] = {name: _repeated(f"{path}: tables.{name}", name, table) for name, table in tables.items()}
    if "path" in read:
        raise InputError(f"{path}: path: is no field of a study: remove it")
    return checked(Study, {**read, **({"runs": str(runs)} if runs else {}), "path": Path(path)}, path, "correct it")


def choose(study: Study, tables: Sequence[str] | None = None, only: Sequence[str] | None = None) -> list[Row]:
    """The rows that a user named, and all that they are made from, each after what it needs.

    Args:
        tables: names of tables; None = all.
        only: names of rows, or `table/row`; one that is repeated with seeds also by its declared name, which
            stands for all of its seeds; None = all.

    Raises:
        InputError: a name that the study does not have.
    """
    for name in tables or ():
        if name not in study.tables:
            raise InputError(f"table {name}: the study has no such one; it has {', '.join(study.tables)}")
    rows = [row for row in study.rows() if tables is None or row.table in tables]
    names = {row.key: {row.name, row.key, *([split_name(row.name)[0]] if row.seed is not None else [])} for row in rows}
    for name in only or ():
        if not any(name in known for known in names.values()):
            raise InputError(f"row {name}: the study has no such one in these tables: its file lists them")
    found: dict[str, Row] = {}

    def visit(row: Row, above: tuple[str, ...] = ()) -> None:
        if row.key in above:
            raise InputError(f"{study.path}: {' → '.join([*above, row.key])} is a circle: cut it")
        if row.key not in found:
            for other in study.others(row, row.needs()):
                visit(other, (*above, row.key))
            found[row.key] = row

    for row in rows:
        if only is None or names[row.key] & set(only):
            visit(row)
    return list(found.values())


def fill(value: Any, replace: Callable[[str, str], str]) -> Any:
    """Flags or a word with each `{row:path}` in a text replaced by `replace(row, path)`."""
    if isinstance(value, dict):
        return {name: fill(item, replace) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, replace) for item in value]
    return _REFERENCE.sub(lambda match: replace(match[1], match[2] or ""), value) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)
    if isinstance(value, str):
        yield value


def of_seed(name: str, seed: int | None) -> str:
    """Name of a declared row's training with a seed."""
    return name if seed is None else f"{name}.s{seed}"


def split_name(name: str) -> tuple[str, int]:
    """(declared name, seed) of a row that is repeated with seeds."""
    declared, _, seed = name.rpartition(".s")
    return declared, int(seed)


def _repeated(where: str, name: str, table: Any) -> Any:
    """A table's fields with one row for each seed; seed by seed, so that a study that is cut has whole seeds.

    What has another form than it should is left for the check of all.
    """
    if not isinstance(table, dict) or not isinstance(table.get("rows"), dict):
        return table
    seeds, shared = table.get("seeds") or [None], table.get("train", {})
    rows = {}
    for seed in seeds if isinstance(seeds, list) else [None]:
        for row, fields in table["rows"].items():
            if not isinstance(fields, dict) or {"table", "name", "seed"} & set(fields):
                raise InputError(f"{where}.rows.{row}: has no fields, or one that it may not: name, table or seed")
            made = {"data": table.get("data"), "test": table.get("test") or table.get("data"), **fields}
            if isinstance(made.get("train"), dict) and isinstance(shared, dict):
                made["train"] = {**shared, **made["train"]}
            rows[of_seed(row, seed)] = {**made, "table": name, "name": of_seed(row, seed), "seed": seed}
    return {"title": name, **table, "rows": rows}
