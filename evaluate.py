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

import shlex
import sys

from common.console import console, say
from common.errors import run_command
from common.parsing import Parser, PlainHelp, settings_of
from common.shown import shown_text
from evaluation.config import EvaluateConfig
from evaluation.outputs import Outputs


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
    """Fit, and say what each artefact's threshold keeps."""
    from evaluation.fitting import fit_artefacts

    for path, metadata in fit_artefacts(config, target):
        decision = metadata.decision
        assert decision is not None  # there is a labelled frame
        point = decision.still
        console.print(
            f"{path}: threshold {point.threshold:.3f} keeps {point.coverage:.1%} of {decision.frames} validation "
            f"frames at {point.accuracy:.1%}"
            + ("" if point.reached else f", the most there is: {target:.0%} was asked for"),
            markup=False,
            highlight=False,
        )


def _parser() -> Parser:
    parser = Parser(prog="evaluate.py", description=__doc__, formatter_class=PlainHelp)
    parser.add_settings(EvaluateConfig)
    parser.add_settings(Outputs)
    return parser


def command() -> int:
    """The console script `gaze-evaluate`."""
    return run_command(main)


if __name__ == "__main__":
    sys.exit(command())
