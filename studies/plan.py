"""What has to be done for a study, what can't be, and how long it will take."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table as RichTable

from common.console import console
from common.errors import InputError
from common.machine import machine
from studies.commands import prepare_command, row_command
from studies.declare import Row, Study
from studies.estimate import check_models, estimate_s, finished_factor, parse_compress, parse_train, row_loads, say
from studies.records import Checksums, is_done, is_evaluated
from studies.repeat import split_name
from studies.speed import Speeds


@dataclasses.dataclass(frozen=True)
class Step:
    """A row, and what is to be done about it.

    Attributes:
        row: the row.
        state: "done", "evaluate" (its artefact is there), "run", "absent" (something that
            a user can give is missing), "refused" (its flags are wrong).
        reason: of absent and refused.
        seconds: estimate of its command; None = not known.
        unscaled_s: the same, before it was held against finished rows.
    """

    row: Row
    state: str
    reason: str = ""
    seconds: float | None = 0.0
    unscaled_s: float | None = 0.0


def choose(study: Study, tables: Sequence[str] | None = None, only: Sequence[str] | None = None) -> list[Row]:
    """The rows that a user named, and all that they are made from, in an order that works.

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
    if only is not None:
        for name in only:
            if not any(name in _names(row) for row in rows):
                raise InputError(f"row {name}: the study has no such one: a dry run lists them")
        rows = [row for row in rows if _names(row) & set(only)]
    return study.in_order(rows)


def _names(row: Row) -> set[str]:
    repeated = split_name(row.name)
    return {row.name, row.key} | ({repeated[0]} if repeated else set())


def make_plan(study: Study, rows: Sequence[Row], sums: Checksums, timing: bool = True, jobs: int = 1) -> list[Step]:
    """Decide about each row; with `timing`, measure the models that are not measured yet.

    Args:
        jobs: rows that are to train at a time: the estimate is held against finished rows with as many cores.
    """
    steps: dict[str, Step] = {}
    for row in rows:
        steps[row.key] = _step(study, row, steps, sums)
    running = [step.row for step in steps.values() if step.state == "run"]
    speeds = Speeds(study.runs / "speeds.json")
    if timing:
        speeds.measure([load for row in running for load in _loads(study, row)])
    factor = finished_factor(study, max(1, machine()["cores"] // jobs))
    for row in running:
        whole, unscaled = (estimate_s(study, row, speeds, scale) for scale in (factor, 1.0))
        steps[row.key] = dataclasses.replace(steps[row.key], seconds=whole, unscaled_s=unscaled)
    return list(steps.values())


def print_plan(study: Study, plan: Sequence[Step], max_hours: float | None = None) -> None:
    """Say what will be trained and how long that takes, before anything is."""
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, title="Plan", title_justify="left")
    for name in ("row", "what", "time (estimate)"):
        table.add_column(name, overflow="fold")
    for step in plan:
        table.add_row(step.row.key, _what(step), say(step.seconds) if step.state == "run" else "")
    console.print(table)
    running = [step for step in plan if step.state == "run"]
    known = sum(step.seconds for step in running if step.seconds is not None)
    unknown = sum(step.seconds is None for step in running)
    more = f", and {unknown} whose time is not known" if unknown else ""
    console.print(
        f"{len(running)} of {len(plan)} rows to train: {say(known)}{more}, one after the other. Estimated from a few "
        "training steps of each model on this machine, held against the rows that are finished; other work on it "
        "makes it longer."
        if running
        else "nothing is left to train"
    )
    if max_hours is not None and running:
        console.print(f"--max-hours {max_hours:g}: what does not fit is left out, and listed with its command")


def missing_data(study: Study, plan_rows: Sequence[Row]) -> list[str]:
    """Names of data sets that are not there and that the study can make here."""
    names = dict.fromkeys(name for row in plan_rows for name in (row.data, row.tested_on))
    return [
        name
        for name in names
        if not study.datasets[name].path.exists()
        and study.datasets[name].prepare
        and not _unset(study.datasets[name].variables())
    ]


def _step(study: Study, row: Row, steps: dict[str, Step], sums: Checksums) -> Step:
    above = [steps[f"{row.table}/{name}"] for name in row.needs()]
    lost = next((step for step in above if step.state in ("absent", "refused")), None)
    if lost:
        return Step(row, lost.state, f"needs {lost.row.name}, which is {lost.state}: {lost.reason}")
    reason = _absent(study, row)
    if reason:
        return Step(row, "absent", reason)
    try:
        if row.how == "train":
            check_models(study, row, parse_train(study, row))
        elif row.how == "compress":
            parse_compress(study, row)
    except InputError as error:
        return Step(row, "refused", str(error))
    if is_done(study, row, sums):
        return Step(row, "done" if is_evaluated(study, row, sums) else "evaluate")
    if row_command(study, row) is None:
        return Step(row, "evaluate")
    return Step(row, "run")


def _absent(study: Study, row: Row) -> str:
    """Why a row can't be made here, or ""."""
    unset = _unset(row.variables())
    if unset:
        return f"the environment variable {unset[0]} is not set"
    for source in (study.datasets[row.data], study.datasets[row.tested_on]):
        command = prepare_command(source)
        if source.path.exists():
            continue
        if command is None:
            return f"there is no data set {source.path}"
        unset = _unset(source.variables())
        if unset:
            return f"there is no data set {source.path}, and {unset[0]} is not set: {command.shown}"
    return ""


def _unset(names: Sequence[str]) -> list[str]:
    return [name for name in names if not os.environ.get(name)]


def _loads(study: Study, row: Row) -> list:
    try:
        return [load for load, frames in row_loads(study, row) if frames]
    except InputError:
        return []  # it says so when it is run


_WORDS: dict[str, Callable[[Step], str]] = {
    "done": lambda step: "done",
    "evaluate": lambda step: "evaluate",
    "run": lambda step: {"train": "train", "compress": "compress"}[step.row.how],
    "absent": lambda step: f"absent: {step.reason}",
    "refused": lambda step: f"refused: {step.reason}",
}


def _what(step: Step) -> str:
    return _WORDS[step.state](step)
