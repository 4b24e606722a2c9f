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

import jsonargparse

from common.console import console, say
from common.errors import InputError, run_command
from common.files import check_output_file
from common.parsing import Parser, settings_of
from common.shown import shown_text
from common.typed import check_fields
from evaluation.config import EvaluateConfig


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What `evaluate.py` writes besides its table.

    Attributes:
        json: write all the numbers there
        predictions: write a CSV, one row per artefact and frame
        html: write a page there for a reader without Python; it needs no network
        plots: write figures there, PNG and SVG: confusion, precision-recall, reliability, curves, size, maps
        fit: first fit threshold, smoothing and the rule for unlike frames on this data set's validation and training
            splits, for this accuracy on what is kept, and write them into the artefacts' metadata
        run: run folder of the training curves (default: the artefacts' own)
    """

    json: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    predictions: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    html: Path | None = dataclasses.field(default=None, metadata={"metavar": "FILE"})
    plots: Path | None = dataclasses.field(default=None, metadata={"metavar": "DIR"})
    fit: float | None = dataclasses.field(default=None, metadata={"metavar": "ACCURACY"})
    run: Path | None = dataclasses.field(default=None, metadata={"metavar": "DIR"})

    def __post_init__(self) -> None:
        """Refuse an output that can't be before minutes are spent on what would go into it."""
        check_fields(self)
        if self.fit is not None and not 0 <= self.fit <= 1:
            raise InputError(f"fit must be an accuracy from 0 to 1, not {self.fit:g}", parameter="fit")
        for name, is_folder in (("json", False), ("predictions", False), ("html", False), ("plots", True)):
            path = getattr(self, name)
            if path is None:
                continue
            if not is_folder:
                check_output_file(path)
            for folder in [path, *path.parents][not is_folder :]:
                if folder.exists() and not folder.is_dir():
                    raise InputError(
                        f"{path}: {folder}: is a file where a folder is needed: name another", parameter=name
                    )
        if self.run is not None and not (self.run / "history.csv").is_file():
            raise InputError(
                f"{self.run}: there is no history.csv in it: name a run folder of train.py", parameter="run"
            )


def main(argv: list[str]) -> None:
    """Parse, evaluate, print."""
    parser = _parser()
    flags = parser.parse_args(argv)
    outputs = settings_of(Outputs, parser, flags)
    import common.quiet  # noqa: F401
    from evaluation.report import run_evaluation, write_predictions, write_report
    from evaluation.table import print_table

    config = settings_of(EvaluateConfig, parser, flags)
    if outputs.fit is not None:
        _fit(config, outputs.fit)
    evaluation = run_evaluation(config)
    # First the files: what happens to the terminal costs nobody the results.
    written = []
    if outputs.json:
        write_report(outputs.json, evaluation.report)
        written.append(outputs.json)
    if outputs.predictions:
        write_predictions(outputs.predictions, evaluation)
        written.append(outputs.predictions)
    if outputs.plots:
        from evaluation.plots import write_plots

        written += write_plots(outputs.plots, evaluation, run=outputs.run)
    if outputs.html:
        from evaluation.page.write import write_page

        command = shown_text(shlex.join(["python", "evaluate.py", *argv]), argv)
        write_page(outputs.html, evaluation, run=outputs.run, command=command)
        written.append(outputs.html)
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


class _Help(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Keeps the line breaks of the description."""


def _parser() -> Parser:
    parser = Parser(prog="evaluate.py", description=__doc__, formatter_class=_Help)
    parser.add_settings(EvaluateConfig)
    parser.add_settings(Outputs)
    return parser


def command() -> int:
    """The console script `gaze-evaluate`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
