"""Compress a trained model and measure its size: the baselines to compare with distillation.

    python compress.py prune RUN/student/student.keras --data DIR --out DIR --sparsity 0.5 0.8 0.9
    python compress.py cluster RUN/student/student.keras --data DIR --out DIR --clusters 16 32
    python compress.py prune RUN/student/student.keras --data DIR --out DIR --sparsity 0.8 --clusters 16
    python compress.py channels RUN/teacher/teacher.keras --data DIR --out DIR --keep 0.5
    python compress.py ptq RUN/student/student.keras --data DIR --out DIR

Each subcommand has its own --help. OUT holds the artefacts, which evaluate.py takes like any
other, and baseline.json: what was asked for, what was measured on each file (zeros, different
values, bytes, bytes after gzip), seconds. It is written whole or not at all; a command that was
interrupted goes on after the last whole epoch when it is given again.
"""

from __future__ import annotations

import sys

from common import quiet  # noqa: F401  (before TensorFlow)
from common.errors import run_command
from common.parsing import Parser, PlainHelp, settings_of


def main(argv: list[str]) -> int:
    """Parse, and run the baseline that the subcommand names."""
    from baselines.config import BaselineConfig
    from baselines.registry import all_baselines
    from data.dataset import diagnosed

    baselines = all_baselines()
    parser = Parser(prog="compress.py", description=__doc__, formatter_class=PlainHelp)
    commands = parser.add_subcommands()
    parsers = {name: baseline.parser() for name, baseline in baselines.items()}
    for name, baseline in baselines.items():
        commands.add_subcommand(name, parsers[name], help=baseline.help)
    parsed = parser.parse_args(argv)
    name = parsed.subcommand
    config: BaselineConfig = settings_of(baselines[name].config, parsers[name], parsed[name])
    with diagnosed(config.data):
        baselines[name].run(config)
    return 0


def command() -> int:
    """The console script `gaze-compress`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
