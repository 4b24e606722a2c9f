"""Train, compress and evaluate many systems and read them side by side in one table.

    python study.py table --config configs/lineage.yaml --dry-run        what is missing, and how long it takes
    python study.py table --config configs/lineage.yaml --data phantom   train it, and print the table
    python study.py table --config configs/lineage.yaml --max-hours 3    what fits; the rest stays a command
    python study.py table --config configs/lineage.yaml --jobs 2         two rows at a time, each on half of the cores
    python study.py results --config configs/lineage.yaml --data fetal_planes --picture results.png
    python study.py store --config configs/evidence.yaml                 keep the predictions of what has run
    python study.py evidence --page docs/evidence.md                     the tables and the figure of what is stored

Every row is a command of train.py or compress.py, as you would type it; the study's file says
which. A row that is finished is kept as long as its command, its data and what it is made from
stay the same; an interrupted table goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

import jsonargparse

from common.console import console, say
from common.errors import InputError, run_command
from common.files import check_output_file, write_text
from common.locks import exclusive
from common.parallel import MAX_JOBS
from common.parsing import Parser
from common.shown import shown_text

# Where the results that stay with the code lie.
_STORED = Path(__file__).resolve().parent / "studies" / "results"


def main(argv: list[str]) -> int:
    commands = {
        "table": (_table_flags, _table),
        "results": (_results_flags, _results),
        "store": (_store_flags, _store),
        "evidence": (_evidence_flags, _evidence),
    }
    if argv[:1] and argv[0] in commands:
        flags, run = commands[argv[0]]
        chosen = flags().parse_args(argv[1:])
        from common import quiet  # noqa: F401  (before TensorFlow)

        return run(chosen, shown_text(shlex.join(["python", "study.py", *argv]), argv))
    parser = Parser(prog="study.py", description=__doc__, formatter_class=_Help)
    commands = parser.add_subcommands()
    commands.add_subcommand("table", _table_flags(), help="train what is missing, print the table")
    commands.add_subcommand("results", _results_flags(), help="write what there is as a page; trains nothing")
    commands.add_subcommand("store", _store_flags(), help="keep the predictions of what has run, as small tables")
    commands.add_subcommand("evidence", _evidence_flags(), help="tables and figure of what is stored; trains nothing")
    parser.parse_args(argv)  # --help, or an error
    return 2


def _table(flags, command: str) -> int:
    if flags.max_hours is not None and not flags.max_hours > 0:
        raise InputError(f"--max-hours {flags.max_hours}: must be above 0")
    if flags.retime and not flags.latency:
        raise InputError("--retime: times what is finished again, and --latency is false: choose one of them")
    if flags.markdown:
        check_output_file(flags.markdown)
        if not flags.markdown.absolute().parent.is_dir():
            raise InputError(f"--markdown {flags.markdown}: lies in no folder: make it first, or name another file")
    if not 1 <= flags.jobs <= MAX_JOBS:
        raise InputError(f"--jobs {flags.jobs}: must be from 1 to {MAX_JOBS}")
    from studies.plan import choose

    study, sums = _study(flags)
    rows = choose(study, flags.data, flags.only)  # before the lock, which makes the folder
    with contextlib.nullcontext() if flags.dry_run else exclusive(study.runs):
        return _make_table(flags, command, study, sums, rows)


def _make_table(flags, command: str, study, sums, rows) -> int:
    from studies.plan import make_plan, missing_data, print_plan
    from studies.run import prepare_data, run_plan

    missing = missing_data(study, rows)
    for name in missing if flags.dry_run else ():
        say(f"the data set {study.datasets[name].path} is made first; without it there is no estimate")
    if not flags.dry_run:
        prepare_data(study, missing)
    plan = make_plan(study, rows, sums, flags.timing, flags.jobs)
    print_plan(study, plan, flags.max_hours)
    if flags.dry_run:
        return int(any(step.state == "refused" for step in plan))
    options = {"latency": flags.latency, "retime": flags.retime, "jobs": flags.jobs}
    failures = run_plan(study, plan, sums, max_hours=flags.max_hours, **options)
    lines = _print_tables(study, [row.table for row in rows], sums)
    plan = make_plan(study, rows, sums, timing=False)
    _print_left(study, plan, failures)
    if flags.markdown:
        _write(flags.markdown, study, lines, plan, failures, command)
    return int(bool(failures))


def _results(flags, command: str) -> int:
    from studies.plan import choose, make_plan

    study, sums = _study(flags)
    rows = choose(study, flags.data)
    if flags.picture and len({row.table for row in rows}) != 1:
        raise InputError(f"--picture {flags.picture}: shows one table: name it by --data")
    lines = _print_tables(study, [row.table for row in rows], sums)
    if flags.picture:
        from studies.picture import draw_table

        ((name, found),) = lines.items()
        draw_table(flags.picture, study.tables[name], found)
        say(f"wrote {flags.picture}")
    if flags.out:
        _write(flags.out, study, lines, make_plan(study, rows, sums, flags.timing), {}, command)
    return 0


def _store(flags, command: str) -> int:
    from studies.stored import store_table

    study, sums = _study(flags)
    for name, table in study.tables.items():
        if not flags.data or name in flags.data:
            written = store_table(study, table, flags.out / name, sums)
            console.print(f"{flags.out / name}: {len(written)} of {len(table.rows)} rows stored")
    return 0


def _evidence(flags, command: str) -> int:
    from studies.evidence import arm_table, claim_table, draw, left_over, write_page
    from studies.stored import INDEX, read_stored

    folders = flags.stored or sorted(path.parent for path in _STORED.glob(f"*/{INDEX}"))
    found = [read_stored(folder) for folder in folders]
    for stored in found:
        lines = [stored.index["title"], *arm_table(stored), *claim_table(stored), left_over(stored)]
        console.print("\n".join(lines), markup=False, highlight=False)
    if flags.page:
        write_page(flags.page, found)
        console.print(f"wrote {flags.page}")
    if flags.picture:
        draw(flags.picture, found)
        console.print(f"wrote {flags.picture}")
    return 0


def _study(flags):
    from studies.declare import read_study
    from studies.records import Checksums

    return read_study(flags.config, flags.runs), Checksums()


def _print_tables(study, names: list[str], sums) -> dict:
    from studies.page import answers
    from studies.table import collect_lines, print_lines

    lines = {name: collect_lines(study, study.tables[name], sums) for name in dict.fromkeys(names)}
    for name, found in lines.items():
        print_lines(study, study.tables[name], found)
        console.print("\n".join(answers(study.tables[name], found)).replace("**", ""), markup=False, highlight=False)
    return lines


def _print_left(study, plan, failures: dict) -> None:
    """What has no result, with its command and its time."""
    from studies.commands import row_command
    from studies.estimate import say

    for step in plan:
        if step.state == "done" or step.row.key in failures:
            continue
        command = row_command(study, step.row)
        text = f"{say(step.seconds)}: {command.shown}" if command and step.state == "run" else step.reason
        console.print(f"not run: {step.row.key}: {text or 'needs what was not run'}", markup=False, highlight=False)
    for key, reason in failures.items():
        console.print(f"failed: {key}: {reason}", markup=False, highlight=False, style="red")


def _write(path: Path, study, lines: dict, plan, failures: dict, command: str) -> None:
    from studies.page import write_page

    write_text(path, write_page(study, lines, plan, failures, command))
    say(f"wrote {path}")


class _Help(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Keeps the line breaks of the description."""


def _flags(command: str, description: str) -> Parser:
    parser = Parser(prog=f"study.py {command}", description=description)
    # Not an action="config": this file declares a study, it does not set these flags.
    parser.add_argument("--config", type=Path, required=True, help="the study, such as configs/lineage.yaml")
    parser.add_argument("--data", type=str, nargs="+", default=None, help="names of its tables (default: all)")
    parser.add_argument("--runs", type=Path | None, default=None, help="folder of its runs, instead of the file's")
    parser.add_argument(
        "--timing",
        default=True,
        type=bool,
        metavar="true|false",
        help="time a few steps of models that were not timed yet, for the estimates",
    )
    return parser


def _table_flags() -> Parser:
    parser = _flags("table", "Train what is missing and print the table.")
    parser.add_argument("--only", type=str, nargs="+", default=None, help="rows, with all that they are made from")
    parser.add_argument("--max-hours", type=float | None, default=None, help="leave out what does not fit")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="rows that train at a time, each on its share of the cores; compact students do not fill more than one",
    )
    parser.add_argument(
        "--latency", default=True, type=bool, metavar="true|false", help="time each artefact, about 2 s each"
    )
    parser.add_argument(
        "--retime", action="store_true", help="evaluate and time what is finished again, such as on an idle machine"
    )
    parser.add_argument("--markdown", type=Path | None, default=None, metavar="FILE", help="write the page there too")
    parser.add_argument("--dry-run", action="store_true", help="say what would be trained and how long it takes")
    return parser


def _results_flags() -> Parser:
    parser = _flags("results", "Write the page of what there is; nothing is trained.")
    parser.add_argument("--out", type=Path | None, default=None, metavar="FILE", help="such as docs/results.md")
    parser.add_argument(
        "--picture", type=Path | None, default=None, metavar="FILE", help="draw one table: errors against bytes"
    )
    return parser


def _store_flags() -> Parser:
    parser = _flags("store", "Keep the predictions of what has run, as small compressed tables.")
    parser.add_argument(
        "--out", type=Path, default=_STORED, metavar="FOLDER", help="a folder for each table is made there"
    )
    return parser


def _evidence_flags() -> Parser:
    parser = Parser(prog="study.py evidence", description="Tables and figure of stored results; nothing is trained.")
    parser.add_argument(
        "--stored", type=Path, nargs="+", default=None, help="folders of `store` (default: all of this project's)"
    )
    parser.add_argument("--page", type=Path | None, default=None, metavar="FILE", help="write the tables there")
    parser.add_argument("--picture", type=Path | None, default=None, metavar="FILE", help="draw the figure")
    return parser


def command() -> int:
    """The console script `gaze-study`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
