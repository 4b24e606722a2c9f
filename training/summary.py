"""The end of a run: what it is worth on the test split, and what lies where."""

from __future__ import annotations

import json
from pathlib import Path

from common.console import console
from common.files import write_text
from data.dataset import Dataset
from evaluation.complexity import bytes_on_disk
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
    console.print(Path(folder / "summary.md").read_text(encoding="utf-8"), markup=False, highlight=False)


def summarise(report: dict, data: Dataset) -> str:
    """A run in Markdown: the table, what the small files cost, what lies where."""
    rows = report["artefacts"]
    first = rows[0]
    lines = [
        f"# {report['dataset']['n_frames']} test frames of {report['dataset']['n_patients']} patients"
        + (", simulated" if data.info["source"].get("simulated") else ""),
        "",
        f"| artefact | accuracy (95 % interval over patients) | macro-F1 | parameters | bytes | times smaller than "
        f"{Path(first['path']).name} | points below it |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["accuracy_ci95"] or (float("nan"),) * 2
        lines.append(
            f"| {'/'.join(Path(row['path']).parts[-2:])} | {row['accuracy']:.3f} ({low:.3f}–{high:.3f}) "
            f"| {row['macro_f1']:.3f} | {row['params'] or 0:,} | {row['bytes']:,} "
            f"| {first_bytes(first) / row['bytes']:,.1f} | {100 * (first['accuracy'] - row['accuracy']):+.1f} |"
        )
    lines += [
        "",
        "Size of the first row: its parameters as float32 weights, 4 bytes each.",
        "",
        "What lies where:",
        "",
    ]
    lines += [f"- `{row['path']}` ({bytes_on_disk(row['path']):,} bytes)" for row in rows]
    return "\n".join(lines) + "\n"


def first_bytes(row: dict) -> int:
    """Bytes of a model's float32 weights, which a file may hold with optimizer or metadata beside them."""
    return 4 * row["params"] if row["params"] else row["bytes"]
