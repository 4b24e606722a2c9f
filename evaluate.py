"""Evaluate artefacts on a data set: metrics with intervals, size, speed, plots.

    python evaluate.py runs/demo/teacher/teacher.keras runs/demo/int8/student_int8.tflite \\
        --data datasets/phantom --split test --json metrics.json --plots plots

An artefact is a .keras file, a .tflite file or a SavedModel folder, with its metadata
next to it (student.keras.json, ...). The first one named is what the others are compared
with. Intervals are 95 %, by bootstrap over patients. Compression is to the artefact's own
teacher and to a conventional model. A teacher sees gaze maps of the sigma that it was
trained with, whatever the others were trained with.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonargparse
from jsonargparse.typing import ClosedUnitInterval, PositiveInt

from common.console import console, say
from common.errors import InputError, run_command
from common.files import check_output_file
from common.parsing import Parser
from common.shown import shown_text

if TYPE_CHECKING:
    from evaluation.config import EvaluateConfig


def main(argv: list[str]) -> None:
    """Parse, evaluate, print."""
    flags = _parser().parse_args(argv)
    _check_outputs(flags)
    import common.quiet  # noqa: F401
    from evaluation.config import EvaluateConfig
    from evaluation.report import run_evaluation, write_predictions, write_report
    from evaluation.table import print_table

    names = [field.name for field in dataclasses.fields(EvaluateConfig) if field.name in flags]
    config = EvaluateConfig(**{name: flags[name] for name in names})
    if flags.fit is not None:
        _fit(config, flags.fit)
    evaluation = run_evaluation(config)
    # First the files: what happens to the terminal costs nobody the results.
    written = []
    if flags.json:
        write_report(flags.json, evaluation.report)
        written.append(flags.json)
    if flags.predictions:
        write_predictions(flags.predictions, evaluation)
        written.append(flags.predictions)
    if flags.plots:
        from evaluation.plots import write_plots

        written += write_plots(flags.plots, evaluation, run=flags.run)
    if flags.html:
        from evaluation.page.write import write_page

        command = shown_text(shlex.join(["python", "evaluate.py", *argv]), argv)
        write_page(flags.html, evaluation, run=flags.run, command=command)
        written.append(flags.html)
    print_table(evaluation.report)
    for path in written:
        say(f"wrote {path}")


def _fit(config: EvaluateConfig, target: float) -> None:
    """Fit thresholds, filters and the rule for unlike frames on the data set's own splits, into the metadata."""
    from data.dataset import diagnosed, open_dataset
    from evaluation.fitting import fit_artefact

    data = open_dataset(config.data, verify=config.verify or None)
    for path in config.artefacts:
        with diagnosed(data.path):
            decision = fit_artefact(path, data, target, trust=config.trust).decision
        if decision is None:
            raise InputError(f"{data.path}: has no labelled frame in its validation split to fit a threshold on")
        point = decision.still
        console.print(
            f"{path}: threshold {point.threshold:.3f} keeps {point.coverage:.1%} of {decision.frames} validation "
            f"frames at {point.accuracy:.1%}"
            + ("" if point.reached else f", the most there is: {target:.0%} was asked for"),
            markup=False,
            highlight=False,
        )


def _check_outputs(flags: jsonargparse.Namespace) -> None:
    """Refuse an output that can't be before minutes are spent on what would go into it."""
    for flag, is_folder in (("json", False), ("predictions", False), ("html", False), ("plots", True)):
        if not flags[flag]:
            continue
        path = Path(flags[flag])
        if not is_folder:
            check_output_file(path)
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
    _add_outputs(parser)
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
        "--latency",
        default=True,
        type=bool,
        metavar="true|false",
        help="time each artefact, about 2 s each, and measure what memory a .tflite file takes",
    )
    parser.add_argument(
        "--saliency",
        action="store_true",
        help="also compare with the gaze: the gaze head next to a student, attention of .keras artefacts, static prior",
    )
    parser.add_argument(
        "--fixations",
        default="idt",
        choices=["idt", "samples"],
        help="what counts as fixated for NSS and the AUCs: I-DT (1°, 100 ms; 1° is 0.03 of the width) or every sample",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="add a row for all artefacts together: mean of their probabilities, sum of what they cost",
    )
    parser.add_argument(
        "--conventional",
        default="vgg16",
        type=str,
        metavar="MODEL",
        help="the registered model whose float32 size is the second yardstick of compression",
    )
    _add_checks(parser)
    return parser


def _add_checks(parser: Parser) -> None:
    parser.add_argument(
        "--trust",
        action="store_true",
        help="load SavedModels whose graph can reach files, processes, the network or Python",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check every byte and record of the data set first; data sets of up to 64 MB always are",
    )


def _add_outputs(parser: Parser) -> None:
    parser.add_argument("--json", type=str, metavar="FILE", help="write all the numbers there")
    parser.add_argument("--predictions", type=str, metavar="FILE", help="write a CSV, one row per artefact and frame")
    parser.add_argument(
        "--html", type=str, metavar="FILE", help="write a page there for a reader without Python; it needs no network"
    )
    parser.add_argument(
        "--plots",
        type=str,
        metavar="DIR",
        help="write figures there, PNG and SVG: confusion, precision-recall, reliability, curves, size, maps",
    )
    parser.add_argument(
        "--fit",
        default=None,
        type=ClosedUnitInterval | None,
        metavar="ACCURACY",
        help="first fit threshold, smoothing and the rule for unlike frames on this data set's validation and training "
        "splits, for this accuracy on what is kept, and write them into the artefacts' metadata",
    )


def command() -> int:
    """The console script `gaze-evaluate`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
