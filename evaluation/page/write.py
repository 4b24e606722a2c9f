"""The page of an evaluation."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.files import write_text
from common.machine import describe, machine
from common.revision import revision
from data.simulation import PARTLY, training_note
from evaluation.curves import draw_curves
from evaluation.figures import draw_confusions, draw_reliability, simulated
from evaluation.history import history_file, read_history
from evaluation.limits import limits
from evaluation.page import markup, tables
from evaluation.page.drawing import draw_with, svg_of
from evaluation.page.frames import attending, attention_of, choose, frame_grid
from evaluation.page.risk import draw_risk
from evaluation.report import Evaluation
from evaluation.table import short_name

_CONTENTS = {
    "classes": "Classes",
    "confusion": "Confusion",
    "confidence": "Confidence",
    "scanners": "Scanners",
    "clips": "Clips",
    "training": "Training",
    "wrong": "Wrong",
    "right": "Right",
    "settings": "Settings",
    "limits": "Limits",
}


def write_page(
    path: str | os.PathLike, evaluation: Evaluation, *, run: str | os.PathLike | None = None, command: str = ""
) -> None:
    """Write an evaluation as one HTML file that needs no other file, whole or not at all.

    Args:
        path: of the file.
        evaluation: from `run_evaluation`.
        run: run folder of the curves and the settings; without it the first artefact's own is looked for.
        command: that made it, for the page to name.

    Raises:
        InputError: `run` has no readable history.csv, or the file can't be written.
    """
    write_text(path, page(evaluation, run=run, command=command))


def page(evaluation: Evaluation, *, run: str | os.PathLike | None = None, command: str = "") -> str:
    """The HTML; see `write_page`."""
    report = evaluation.report
    history = history_file(evaluation.artefacts, run)
    curves = read_history(history) if history else None
    main = main_artefact(evaluation)
    row, name = report["artefacts"][main], _name(report, main)
    title = f"{name} on {Path(report['dataset']['path']).name}, {report['dataset']['split']} split"
    parts = [
        *_head(report, title, row),
        markup.section("classes", f"Classes: {name}", tables.class_table(row)),
        _confusion(report),
        _confidence(evaluation),
        markup.section("scanners", "Scanners", tables.scanner_table(report)),
        markup.section(
            "clips",
            f"Clips: {name}",
            tables.clip_summary(row),
            tables.clip_table(evaluation.tables[main], evaluation.data.classes),
        ),
        _training(report, history, curves),
        *_frames(evaluation, main, name),
        _settings(report, history and _config_file(history, evaluation.artefacts[main].path), command),
        markup.section("limits", "Honest limits", markup.listing(_limits(evaluation, main))),
    ]
    return markup.document(title, [part for part in parts if part])


def main_artefact(evaluation: Evaluation) -> int:
    """The number of the artefact that the page is about: the last 8-bit one, else the last one."""
    stages = [artefact.metadata.stage for artefact in evaluation.artefacts]
    eight_bit = [number for number, stage in enumerate(stages) if stage == "int8"]
    return eight_bit[-1] if eight_bit else len(stages) - 1


def _head(report: Mapping[str, Any], title: str, row: Mapping[str, Any]) -> list[str]:
    data = report["dataset"]
    counts = f"{data['n_frames']:,} frames of {data['n_patients']:,} patients"
    kind = {
        False: f" {training_note(data).capitalize()}; these are not." if training_note(data) else "",
        PARTLY: " A part of them is simulated: the figures say nothing about patients.",
        True: " Everything here is simulated: the figures say nothing about patients.",
    }[data["simulated"]]
    interval = row["accuracy_ci95"]
    between = "" if interval is None else f", 95 % interval {100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
    links = "".join(f'<a href="#{key}">{markup.text(words)}</a>' for key, words in _CONTENTS.items())
    said = (
        f"{row['name']} answers {100 * row['accuracy']:.1f} % of {row['n_frames']:,} labelled frames of "
        f"{row['n_patients']:,} patients right{between}, over {len(data['classes'])} classes: "
        f"{', '.join(data['classes'])}."
    )
    number = report["artefacts"].index(row)
    return [
        f"<h1>{markup.text(title)}</h1>",
        markup.paragraph(said, "lead"),
        markup.paragraph(f"{counts}.{kind}", "note") if kind else "",
        f"<nav>{links}</nav>",
        tables.artefact_table(report, number),
        markup.paragraph(
            "In brackets: 95 % intervals, by bootstrap over patients. Calibration error: mean gap between confidence "
            "and accuracy over 15 bins. By recording: one answer for each recording and class, by the mean of its "
            "frames. Compression: float32 weights of the other model over this one's bytes. Latency: one frame on one "
            "thread, median. Peak memory: what a .tflite file takes in LiteRT to be loaded and to answer one frame. "
            "The marked row is what the rest of the page is about.",
            "dim",
        ),
    ]


def _confusion(report: Mapping[str, Any]) -> str:
    drawn = [
        svg_of(f"confusion{number}", f"Confusion matrix of {row['path']}", draw_with(draw_confusions, one))
        for number, (row, one) in enumerate(_each(report))
    ]
    said = "Rows are true classes, columns answers: number of frames, and their percentage of the true class."
    return markup.section("confusion", "Confusion", markup.figures(drawn, said))


def _confidence(evaluation: Evaluation) -> str:
    report, classes = evaluation.report, evaluation.data.classes
    reliability = [
        svg_of(
            f"reliability{number}", f"Reliability of {row['path']}", draw_with(draw_reliability, one, [table], classes)
        )
        for number, ((row, one), table) in enumerate(zip(_each(report), evaluation.tables))
    ]
    risk = svg_of("risk", "Risk over coverage", draw_with(draw_risk, report, evaluation.tables, classes))
    return markup.section(
        "confidence",
        "Confidence",
        markup.figures(
            reliability,
            "How often it is right over how sure it is. On the line, confidence can be taken at its word; below, it is "
            "too sure. The area of a dot is its share of the frames.",
        ),
        markup.figure(
            risk,
            "What is wrong among the frames that are kept, when the least sure ones are rejected. A cross is the "
            "threshold that an artefact carries.",
        ),
    )


def _each(report: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], dict[str, Any]]]:
    """A report of each artefact alone, under its short name: figures of one are legible at half a page's width."""
    return [
        (row, {**report, "artefacts": [{**row, "path": _name(report, number)}]})
        for number, row in enumerate(report["artefacts"])
    ]


def _training(report: Mapping[str, Any], history: Path | None, curves: pd.DataFrame | None) -> str:
    if history is None or curves is None:
        return markup.section("training", "Training", markup.paragraph("No training curves: no history.csv was found."))
    title = f"Training: {history.parent.name}{simulated(dict(report))}"
    drawn: list[str] = []
    for stage, part in curves.groupby("stage", sort=False):
        logged = part.dropna(axis=1, how="all")
        drawn.append(svg_of(f"curves-{len(drawn)}", f"Training curves, {stage}", draw_with(draw_curves, logged, title)))
    return markup.section("training", "Training", markup.figures(drawn, "Solid: training frames; dashed: validation."))


def _frames(evaluation: Evaluation, main: int, name: str) -> list[str]:
    attends = attending(evaluation, main)
    data, split, table = evaluation.data, evaluation.split, evaluation.tables[main]
    gaze = "Left: the frame, with gaze points where there are any" if data.gaze_frames(split) else "Left: the frame"
    about = f"{gaze}; {attention_of(attends)}." if attends else f"{gaze}. {attention_of(attends)}"
    sections = []
    for key, words, right in (
        ("wrong", "the most confident mistakes of each class, in turn", False),
        ("right", "spread over the confidences of each class, in turn", True),
    ):
        shown = choose(table, data.classes, right=right)
        title = f"{len(shown)} frames answered {key}: {name}"
        body = frame_grid(shown, data, split, attends) if shown else markup.paragraph(f"None was answered {key}.")
        sections.append(markup.section(key, title, markup.paragraph(f"Chosen: {words}. {about}"), body))
    return sections


def _config_file(history: Path, artefact: Path) -> Path | None:
    """The settings of an artefact's stage, which later commands on its run may have left as it is; else its run's."""
    run, stage = history.parent.resolve(), artefact.resolve().parent
    places = [stage, run] if run in stage.parents else [run]
    return next((place / "config.yaml" for place in places if (place / "config.yaml").is_file()), None)


def _settings(report: Mapping[str, Any], config: Path | None, command: str) -> str:
    commit = revision()
    facts = {
        "data set": {key: value for key, value in report["dataset"].items() if key != "source"},
        "source of the data": report["dataset"]["source"],
        "software": f"commit {commit}" if commit else "not from a clone, so no commit is known",
        "measured on": describe(machine()),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "artefacts": {row["path"]: row["version"] for row in report["artefacts"]},
    }
    plain = yaml.safe_dump(_plain(facts), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
    parts = []
    commands = [command] if command else []
    if config is not None:
        commands = [f"python train.py --config {config.parent.name}/{config.name}", *commands]
        parts = ["<h3>Settings of the training</h3>", markup.preformatted(config.read_text("utf-8"), "columns")]
    if commands:
        parts = ["<h3>Commands</h3>", markup.preformatted("\n".join(commands)), *parts]
    return markup.section(
        "settings", "Settings and commands", *parts, "<h3>Evaluation</h3>", markup.preformatted(plain)
    )


def _limits(evaluation: Evaluation, main: int) -> list[str]:
    report = evaluation.report
    return limits(report["artefacts"][main], report["dataset"], evaluation.artefacts[main].metadata)


def _name(report: Mapping[str, Any], number: int) -> str:
    paths = [row["path"] for row in report["artefacts"]]
    return short_name(paths[number], paths)


def _plain(value: Any) -> Any:
    """As YAML without tags takes it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
