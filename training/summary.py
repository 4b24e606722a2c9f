"""The end of a run: what it is worth on the test split, and what lies where."""

from __future__ import annotations

import json
from pathlib import Path

from common.console import console
from common.files import write_text
from data.dataset import Dataset
from evaluation.report import evaluate, print_table, write_report
from training.run_folder import ARTEFACTS


def evaluate_run(config, data: Dataset, folder: Path, changed: bool) -> None:
    """Evaluate every artefact of the run on the test split: `metrics.json`, `summary.md`, a table.

    With nothing changed, and metrics there, the stored ones are shown again.
    """
    file = folder / "metrics.json"
    paths = [folder / name for names in ARTEFACTS.values() for name in names if (folder / name).exists()]
    if config.teacher_path is not None:
        paths.insert(0, Path(config.teacher_path))
    if not data.info["splits"].get("test", {}).get("frames"):
        console.print("the data set has no test split: nothing is evaluated")
        return
    report = None
    if file.is_file() and not changed:
        report = json.loads(file.read_text(encoding="utf-8"))
    if report is None or [row["path"] for row in report["artefacts"]] != [str(path) for path in paths]:
        report = evaluate(paths, data.path, "test", gaze=config.gaze)
        write_report(file, report)
        write_text(folder / "summary.md", summarise(report, data))
    print_table(report)
    console.print("\n".join(what_lies_where(report)), markup=False, highlight=False)


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
    for row in report["artefacts"]:
        low, high = row["accuracy_ci95"] or (float("nan"),) * 2
        smaller, below = _against_teacher(row, report)
        lines.append(
            f"| {_name(row)} | {row['accuracy']:.3f} ({low:.3f}–{high:.3f}) | {row['macro_f1']:.3f} "
            f"| {row['params'] or 0:,} | {row['bytes']:,} | {smaller} | {below} |"
        )
    lines += [
        "",
        "Times smaller: than the teacher's parameters as float32, 4 bytes each. Points below: the teacher's accuracy "
        "on the same frames, in points of a hundred; negative is above it.",
        "",
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
    if row is teacher or teacher.get("stage") != "teacher" or not teacher["params"]:
        return "", ""
    return f"{4 * teacher['params'] / row['bytes']:,.0f}", f"{100 * (teacher['accuracy'] - row['accuracy']):.1f}"


def _name(row: dict) -> str:
    return "/".join(Path(row["path"]).parts[-2:])
