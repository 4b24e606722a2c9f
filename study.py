"""Train, compress and evaluate many systems, and compare them in tables.

    python study.py run --config configs/lineage.yaml --data phantom --cores 2               train what is missing
    python study.py run --config configs/lineage.yaml --cores 2 -- --dry-run                 say what that would be
    python study.py run --config configs/lineage.yaml --cores 100 -- --executor slurm        on a cluster
    python study.py check --config configs/lineage.yaml                  what can be known to be wrong before training
    python study.py table --config configs/lineage.yaml --data fetal_planes --page results.md
    python study.py store --config configs/evidence.yaml                 keep the predictions of what has run
    python study.py evidence --page docs/evidence.md                     the tables and the figure of what is stored

Every row is a command of train.py or compress.py; the study's file says which. `run` is Snakemake with
studies/Snakefile, and passes on what stands after `--`. A row that is finished is kept as long as its settings, its
data and what it is made from stay the same; an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonargparse
from jsonargparse.typing import PositiveInt

from common.console import console, say
from common.errors import InputError, run_command
from common.parsing import Parser, PlainHelp

if TYPE_CHECKING:
    from studies.declare import Study, Table

_ROOT = Path(__file__).resolve().parent
# Where the results that stay with the code lie.
_STORED = _ROOT / "studies" / "results"


def main(argv: list[str]) -> int:
    """Parse, and do what the subcommand says."""
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = Parser(prog="study.py", description=__doc__, formatter_class=PlainHelp)
    commands = parser.add_subcommands()
    for name, (help, flags) in _FLAGS.items():
        subparser = Parser(description=help)
        for flag, options in flags.items():
            subparser.add_argument(f"--{flag}", **options)
        commands.add_subcommand(name, subparser, help=help)
    parsed = parser.parse_args(argv[:cut])
    if argv[cut:] and parsed.subcommand != "run":
        raise InputError(f"{argv[cut]}: only `run` passes words on: leave them out")
    chosen, flags = parsed.subcommand, parsed[parsed.subcommand]
    if chosen != "run":
        from common import quiet  # noqa: F401  (before TensorFlow)
    if chosen == "evidence":
        _evidence(flags)
        return 0
    from studies.declare import choose, read_study

    study = read_study(flags.config, flags.runs)
    rows = choose(study, flags.data, flags.get("only"))
    if chosen == "run":
        _run(flags, argv[cut + 1 :])
    elif chosen == "check":
        from studies.check import check

        check(study, rows)
    else:
        named = dict.fromkeys(row.table for row in rows if row.table in (flags.data or study.tables))
        tables = {name: study.tables[name] for name in named}
        {"table": _table, "store": _store}[chosen](study, tables, flags)
    return 0


def _run(flags: jsonargparse.Namespace, more: list[str]) -> None:
    if importlib.util.find_spec("snakemake") is None:
        raise InputError("Snakemake, which runs studies, is not installed: pip install -r requirements-study.txt")
    settings = {"study": flags.config, "runs": flags.runs, "threads": flags.threads}
    settings |= {name: ",".join(flags[name]) for name in ("data", "only") if flags[name]}
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(_ROOT / "studies" / "Snakefile")]
    words += ["--cores", str(flags.cores), *more, "--config"]
    words += [f"{name}={value}" for name, value in settings.items() if value is not None]
    os.execv(sys.executable, words)  # in place of this process, so that Ctrl-C and SIGTERM reach it


def _table(study: Study, tables: dict[str, Table], flags: jsonargparse.Namespace) -> None:
    from studies.page import paragraphs, print_lines, write_blocks
    from studies.picture import draw_table
    from studies.table import collect_lines

    if flags.picture and len(tables) != 1:
        raise InputError(f"--picture {flags.picture}: shows one table: name it by --data")
    lines = {name: collect_lines(study, table) for name, table in tables.items()}
    for name, table in tables.items():
        print_lines(table, lines[name])
        if flags.picture:
            draw_table(flags.picture, table, lines[name])
            say(f"wrote {flags.picture}")
    if flags.page:
        write_blocks(flags.page, {name: paragraphs(study, table, lines[name]) for name, table in tables.items()})


def _store(study: Study, tables: dict[str, Table], flags: jsonargparse.Namespace) -> None:
    from studies.stored import store_table

    for name, table in tables.items():
        written = store_table(study, table, flags.out / name)
        say(f"{flags.out / name}: {len(written)} of {len(table.rows)} rows stored")


def _evidence(flags: jsonargparse.Namespace) -> None:
    from studies.evidence import blocks
    from studies.evidence_figure import draw
    from studies.page import write_blocks
    from studies.stored import INDEX, read_stored

    folders = flags.stored or sorted(path.parent for path in _STORED.glob(f"*/{INDEX}"))
    found = [read_stored(folder) for folder in folders]
    shown = blocks(found)
    titles = {stored.folder.name: stored.index["title"] for stored in found}
    for name, parts in shown.items():
        console.print("\n".join([titles.get(name, name), *parts]), markup=False, highlight=False)
    if flags.page:
        write_blocks(flags.page, shown)
    if flags.picture:
        draw(flags.picture, found)
        say(f"wrote {flags.picture}")


_OF_STUDY: dict[str, dict[str, Any]] = {
    # Not an action="config": this file declares a study, it does not set these flags.
    "config": {"type": Path, "required": True, "help": "the study, such as configs/lineage.yaml"},
    "data": {"type": str, "nargs": "+", "default": None, "help": "names of its tables (default: all)"},
    "runs": {"type": Path | None, "default": None, "help": "folder of its runs, instead of the file's"},
}
_OF_ROWS = {
    **_OF_STUDY,
    "only": {"type": str, "nargs": "+", "default": None, "help": "rows, with all that they are made from"},
}
_FILE: dict[str, Any] = {"type": Path | None, "default": None, "metavar": "FILE"}
_FLAGS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "run": (
        "train and evaluate what is missing, by Snakemake",
        {
            **_OF_ROWS,
            "cores": {"type": PositiveInt, "default": 1, "help": "cores to use: so many rows are trained at a time"},
            "threads": {"type": PositiveInt, "default": 1, "help": "cores of one training"},
        },
    ),
    "check": ("refuse what can't be trained, train nothing; `run` does it first", _OF_ROWS),
    "table": (
        "print the results that there are; trains nothing",
        {
            **_OF_STUDY,
            "page": {**_FILE, "help": "write them into a page, between its comments `results`"},
            "picture": {**_FILE, "help": "draw one table: errors against bytes"},
        },
    ),
    "store": (
        "keep the predictions of what has run, as small compressed tables",
        {**_OF_STUDY, "out": {"type": Path, "default": _STORED, "help": "a folder for each table is made there"}},
    ),
    "evidence": (
        "tables and figure of stored results; trains nothing",
        {
            "stored": {"type": Path, "nargs": "+", "default": None, "help": "folders of `store` (default: all here)"},
            "page": {**_FILE, "help": "write the tables there"},
            "picture": {**_FILE, "help": "draw the figure"},
        },
    ),
}


def command() -> int:
    """The console script `gaze-study`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
