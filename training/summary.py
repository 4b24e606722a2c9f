"""The end of a run: what it is worth on the test split, and what lies where."""

from __future__ import annotations

import json
from pathlib import Path

from common.console import console
from common.files import write_text
from data.dataset import Dataset
from data.report import dataset_warnings
from evaluation.config import EvaluateConfig
from evaluation.report import evaluate, write_report
from evaluation.table import print_table
from training.config import TrainConfig
from training.run_folder import ARTEFACTS, artefacts, holds


def forget_evaluation(folder: Path) -> None:
    """Remove the evaluation of a run that is about to change."""
    for name in ("metrics.json", "summary.md"):
        (folder / name).unlink(missing_ok=True)


def evaluate_run(config: TrainConfig, data: Dataset, folder: Path, prints: dict[str, str]) -> None:
    """Evaluate the run's artefacts on the test split: `metrics.json`, `summary.md`, a table.

    Only what was trained with these settings is in it: a stage left from other settings is
    not compared with this teacher. An evaluation that is there already is shown again.
    """
    file = folder / "metrics.json"
    stages = [name for name in ARTEFACTS if name != "teacher" or not config.teacher_path]
    paths = [path for name in stages if holds(folder, name, prints[name]) for path in artefacts(folder, name)]
    paths = [*config.teacher_path, *paths]
    if not data.info["splits"].get("test", {}).get("frames"):
        console.print("the data set has no test split: nothing is evaluated")
        return
    if not data.labelled_frames("test"):
        console.print("the test split has no labelled frame: nothing is evaluated")
        return
    report = _stored(file)
    if report is None or [row["path"] for row in report["artefacts"]] != [str(path) for path in paths]:
        report = evaluate(EvaluateConfig(paths, data.path, gaze=config.gaze))
        write_report(file, report)
        write_text(folder / "summary.md", summarise(report, data))
    print_table(report)
    console.print("\n".join(what_lies_where(report)), markup=False, highlight=False)


def _stored(file: Path) -> dict | None:
    """An earlier report, or None where there is none that can be read."""
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return report if "artefacts" in report else None


def summarise(report: dict, data: Dataset) -> str:
    """A run in Markdown: the table, what the small files cost, what lies where."""
    simulated = ", simulated" if data.info["source"].get("simulated") else ""
    lines = [
        f"# {report['dataset']['n_frames']} test frames of {report['dataset']['n_patients']} patients{simulated}",
        "",
        "| artefact | accuracy (95 % interval over patients) | macro-F1 | parameters | bytes | times smaller "
        "| points below |",
        "|---|---|---|---|---|---|---|",
    ]
    several = sum(map(_is_teacher, report["artefacts"])) > 1
    parts = 3 if several else 2  # of a path: every teacher is called teacher/teacher.keras
    for row in report["artefacts"]:
        low, high = row["accuracy_ci95"] or (float("nan"),) * 2
        smaller, below = _against_teacher(row, report)
        lines.append(
            f"| {_name(row, parts)} | {row['accuracy']:.3f} ({low:.3f}–{high:.3f}) | {row['macro_f1']:.3f} "
            f"| {row['params'] or 0:,} | {row['bytes']:,} | {smaller} | {below} |"
        )
    lines += [
        "",
        "Times smaller: than the teacher's parameters as float32, 4 bytes each. Points below: the teacher's accuracy "
        "on the same frames, in points of a hundred; negative is above it."
        + (" Of several teachers it is the first." if several else ""),
        "",
        *(text for line in dataset_warnings(data) for text in (f"{line[0].upper()}{line[1:]}.", "")),
        *what_lies_where(report),
    ]
    return "\n".join(lines) + "\n"


def what_lies_where(report: dict) -> list[str]:
    """A line for each artefact: its path, its bytes, how it compares with the teacher."""
    lines = ["What lies where:", ""]
    for row in report["artefacts"]:
        smaller, below = _against_teacher(row, report)
        compared = f", {smaller} times smaller than the teacher, {below} points below it" if smaller else ""
        lines.append(f"- `{row['path']}`: {row['bytes']:,} bytes{compared}")
    return lines


def _against_teacher(row: dict, report: dict) -> tuple[str, str]:
    """(times smaller than the teacher's float32 weights, points below it); empty without a teacher."""
    teacher = report["artefacts"][0]
    if _is_teacher(row) or not _is_teacher(teacher) or not teacher["params"]:
        return "", ""
    return f"{4 * teacher['params'] // row['bytes']:,}", f"{100 * (teacher['accuracy'] - row['accuracy']):.1f}"


def _is_teacher(row: dict) -> bool:
    return row.get("stage") == "teacher"


def _name(row: dict, parts: int) -> str:
    return "/".join(Path(row["path"]).parts[-parts:])
