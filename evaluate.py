"""Evaluate artefacts on a data set: metrics with intervals, size, speed, plots.

    python evaluate.py runs/demo/teacher/teacher.keras runs/demo/int8/student_int8.tflite \\
        --data datasets/phantom --split test --json metrics.json --plots plots

An artefact is a .keras file, a .tflite file or a SavedModel folder, with its metadata
beside it (student.keras.json, ...). The first one named is what the others are compared
with. Intervals are 95 %, by bootstrap over patients.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jsonargparse
from jsonargparse.typing import PositiveInt

from common.console import console
from common.errors import InputError, run_command
from common.parsing import Parser


def main(argv: list[str]) -> None:
    """Parse, evaluate, print."""
    flags = _parser().parse_args(argv)
    _check_outputs(flags)
    import common.quiet  # noqa: F401
    from evaluation.report import print_table, run_evaluation, write_predictions, write_report

    evaluation = run_evaluation(
        flags.artefacts,
        flags.data,
        flags.split,
        gaze=flags.gaze,
        batch_size=flags.batch_size,
        latency=flags.latency,
        saliency=flags.saliency,
        ensemble=flags.ensemble,
    )
    print_table(evaluation.report)
    if flags.json:
        write_report(flags.json, evaluation.report)
        console.print(f"wrote {flags.json}")
    if flags.predictions:
        write_predictions(flags.predictions, evaluation)
        console.print(f"wrote {flags.predictions}")
    if flags.plots:
        from evaluation.plots import write_plots

        for path in write_plots(flags.plots, evaluation, run=flags.run):
            console.print(f"wrote {path}")


def _check_outputs(flags) -> None:
    """Refuse an output that can't be before minutes are spent on what would go into it."""
    for flag, is_folder in (("json", False), ("predictions", False), ("plots", True)):
        if not flags[flag]:
            continue
        path = Path(flags[flag])
        if path.is_dir() and not is_folder:
            raise InputError(f"--{flag} {path}: is a folder, a file was expected: name a file in it")
        for folder in [path, *path.parents][not is_folder :]:
            if folder.exists() and not folder.is_dir():
                raise InputError(f"--{flag} {path}: {folder}: is a file where a folder is needed: name another")
    if flags.run and not (Path(flags.run) / "history.csv").is_file():
        raise InputError(f"--run {flags.run}: there is no history.csv in it: name a run folder of train.py")


class _Help(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Keeps the line breaks of the description."""


def _parser() -> Parser:
    parser = Parser(prog="evaluate.py", description=__doc__, formatter_class=_Help)
    parser.add_argument(
        "artefacts",
        nargs="+",
        metavar="ARTEFACT",
        type=str,
        help=".keras or .tflite file, or SavedModel folder",
    )
    parser.add_argument("--data", required=True, type=str, metavar="DIR", help="a data set made by prepare.py")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"], help="which patients")
    parser.add_argument("--json", type=str, metavar="FILE", help="write all the numbers there")
    parser.add_argument("--predictions", type=str, metavar="FILE", help="write a CSV, one row per artefact and frame")
    parser.add_argument(
        "--plots",
        type=str,
        metavar="DIR",
        help="write pictures there: confusion matrices, training curves, accuracy against size, gaze, maps",
    )
    parser.add_argument(
        "--run",
        type=str,
        metavar="DIR",
        help="run folder of the training curves (default: the artefacts' own)",
    )
    parser.add_argument(
        "--gaze",
        default="real",
        choices=["real", "none", "shuffled", "centre"],
        help="what a teacher sees; students see frames alone",
    )
    parser.add_argument("--batch-size", default=64, type=PositiveInt, metavar="N", help="frames at a time")
    parser.add_argument(
        "--latency", default=True, type=bool, metavar="true|false", help="time each artefact, about 2 s each"
    )
    parser.add_argument(
        "--saliency",
        action="store_true",
        help="also compare where .keras artefacts look with where the gaze was",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="add a row for all artefacts together: mean of their probabilities, sum of what they cost",
    )
    return parser


def command() -> int:
    """The console script `gaze-evaluate`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
