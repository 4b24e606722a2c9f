"""Make a trained model smaller, and say by how much: the baselines beside distillation.

    python compress.py prune RUN/student/student.keras --data DIR --out DIR --sparsity 0.5 0.8 0.9
    python compress.py cluster RUN/student/student.keras --data DIR --out DIR --clusters 16 32
    python compress.py prune RUN/student/student.keras --data DIR --out DIR --sparsity 0.8 --clusters 16
    python compress.py channels RUN/teacher/teacher.keras --data DIR --out DIR --keep 0.5
    python compress.py ptq RUN/student/student.keras --data DIR --out DIR

Each subcommand has its own --help. OUT holds the artefacts, which evaluate.py takes like any
other, and compression.json: what was asked for, what was measured on each file (zeros,
different values, bytes, bytes after DEFLATE), seconds. It is written whole or not at all.
"""

from __future__ import annotations

import sys

from common import quiet  # noqa: F401  (before TensorFlow)
from common.errors import run_command
from common.parsing import Parser


def main(argv: list[str]) -> int:
    from baselines import flags as of

    parser = Parser(prog="compress.py", description=__doc__)
    commands = parser.add_subcommands()
    commands.add_subcommand("prune", of.prune_flags(), help="single weights of a student (and cluster the rest)")
    commands.add_subcommand("cluster", of.cluster_flags(), help="few different weights in each kernel of a student")
    commands.add_subcommand("channels", of.channels_flags(), help="whole channels of any trained model")
    commands.add_subcommand("ptq", of.ptq_flags(), help="quantize a student without training it")
    parsed = parser.parse_args(argv)
    flags = parser.instantiate(parsed)[parsed.subcommand]
    of.check(flags, parsed.subcommand)
    from baselines.channels import prune_model
    from baselines.post_training import quantize_student
    from baselines.students import cluster_student, prune_student

    run = {"prune": prune_student, "cluster": cluster_student, "channels": prune_model, "ptq": quantize_student}
    run[parsed.subcommand](flags)
    return 0


def command() -> int:
    """The console script `gaze-compress`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
