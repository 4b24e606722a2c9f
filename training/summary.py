"""The end of a run: its evaluation on the test split, and a list of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from common.console import console
from common.files import sha256_of, write_text
from common.markdown import markdown_table
from common.shown import shown_paths
from data.dataset import Dataset
from data.report import dataset_warnings
from data.simulation import adjective, training_note
from evaluation.artefacts import artefact_sha256, metadata_path
from evaluation.by_scanner import scanners_of
from evaluation.compression import compare
from evaluation.config import EvaluateConfig
from evaluation.report import EVALUATION_VERSION, evaluate, write_report
from evaluation.table import print_table
from training.config import TrainConfig
from training.run_folder import ARTEFACTS, artefacts, holds


def forget_evaluation(folder: Path) -> None:
    """Remove the evaluation of a run that is about to change."""
    for name in ("metrics.json", "summary.md"):
        (folder / name).unlink(missing_ok=True)


def evaluate_run(config: TrainConfig, data: Dataset, folder: Path, prints: dict[str, str]) -> None:
    """Evaluate the run's artefacts on the test split: `metrics.json`, `summary.md`, a table.

    Only what was trained with these settings is in it: a stage left from other settings is not
    compared with this teacher. An evaluation that is there already is shown again if it is of
    these artefacts and their metadata, byte for byte, by this version of the evaluation, and was not edited.
    """
    if not data.info["splits"].get("test", {}).get("frames"):
        console.print("the data set has no test split: nothing is evaluated")
        return
    if not data.labelled_frames("test"):
        console.print("the test split has no labelled frame: nothing is evaluated")
        return
    stages = [name for name in ARTEFACTS if name != "teacher" or not config.teacher_path]
    paths = [path for name in stages if holds(folder, name, prints[name]) for path in artefacts(folder, name)]
    # A teacher of frames of another size can't be shown those of the test.
    paths = [*(config.teacher_path if config.distil.teacher_data is None else ()), *paths]
    metrics, summary = folder / "metrics.json", folder / "summary.md"
    of = {
        "artefacts": {name: artefact_sha256(path) for name, path in zip(shown_paths(paths), paths)},
        # Thresholds are fitted again (evaluate.py --fit) without a change of the artefact.
        "metadata": {name: _hash_of_metadata(path) for name, path in zip(shown_paths(paths), paths)},
        "dataset": data.checksum,
        "gaze": config.gaze,
        "version": EVALUATION_VERSION,
    }
    report = _stored(metrics, of)
    if report is None:
        summary.unlink(missing_ok=True)  # of an evaluation before
        report = evaluate(EvaluateConfig(tuple(paths), data.path, gaze=config.gaze))
        write_report(metrics, {**report, "of": {**of, "report": _hash(report)}})
    if not summary.is_file():
        write_text(summary, summarise(report, data))
    print_table(report)
    console.print("\n".join(what_lies_where(report)), markup=False, highlight=False)


def _stored(file: Path, of: dict) -> dict | None:
    """An earlier report, or None where there is none, or one of other artefacts, or one that was changed."""
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        found = report.pop("of")
        if "metadata" not in found:  # of a run before they were part of it
            of = {name: value for name, value in of.items() if name != "metadata"}
        return report if found == {**of, "report": _hash(report)} else None
    except (FileNotFoundError, UnicodeDecodeError, ValueError, AttributeError, TypeError, KeyError):
        return None


def _hash_of_metadata(artefact: Path) -> str | None:
    """None where there are none, which the evaluation then refuses in its own words."""
    path = metadata_path(artefact)
    return sha256_of([path]) if path.is_file() else None


def _hash(report: dict) -> str:
    return hashlib.sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()


def summarise(report: dict, data: Dataset) -> str:
    """A run in Markdown: a table of its artefacts, and a list of its files.

    Args:
        report: see `evaluation.report.run_evaluation`.
        data: the opened data set.
    """
    tested, note = report["dataset"], training_note(report["dataset"])
    kind = adjective(tested["simulated"]).strip()
    conventional, rows = report["conventional"]["name"], report["artefacts"]
    names = ["artefact", "accuracy (95 % interval over patients)", "macro-F1", "parameters", "bytes"]
    names += ["latency, ms", "peak memory, bytes"]
    names += ["compression ratio to its teacher", f"compression ratio to {conventional}"]
    names += ["percentage points below the first row"]
    cells_of = []
    several = sum(row.get("stage") == "teacher" for row in rows) > 1
    parts = 3 if several else 2  # of a path: every teacher is called teacher/teacher.keras
    for row in rows:
        low, high = row["accuracy_ci95"] or (float("nan"),) * 2
        cells = ["/".join(Path(row["path"]).parts[-parts:]), f"{row['accuracy']:.3f} ({low:.3f}–{high:.3f})"]
        cells += [f"{row['macro_f1']:.3f}", f"{row['params'] or 0:,}", f"{row['bytes']:,}"]
        latency, memory = row["latency_ms"]["median"], row["memory_bytes"]
        cells += ["" if latency is None else f"{latency:.2f}", "" if memory is None else f"{memory:,}"]
        cells_of.append([*cells, *compare(row, report).texts()])
    lines = [
        f"# {tested['n_frames']} test frames of {tested['n_patients']} patients{f', {kind}' if kind else ''}",
        "",
        *([f"{note.capitalize()}.", ""] if note else []),
        *markdown_table(names, cells_of),
        "",
        f"Compression ratio: parameters as float32, 4 bytes each, of the model that taught it, or of {conventional} "
        "with its default options, over the artefact's bytes. Percentage points: accuracy of the first row minus this "
        "one's on the same frames; negative is above it. Latency: median of one frame on one thread. Peak memory: what "
        "a .tflite file takes in LiteRT to be loaded and to answer one frame.",
        "",
        *(text for line in dataset_warnings(data) for text in (f"{line[0].upper()}{line[1:]}.", "")),
        *_by_scanner(rows, parts),
        *what_lies_where(report),
    ]
    return "\n".join(lines) + "\n"


def _by_scanner(rows: list[dict], parts: int) -> list[str]:
    """A table of the accuracy on each scanner, where there are several."""
    scanners = scanners_of(rows)
    if not scanners:
        return []
    counts = [f"{name} ({rows[0]['per_scanner'][name]['n_frames']} frames)" for name in scanners]
    table = []
    for row in rows:
        cells = ["/".join(Path(row["path"]).parts[-parts:])]
        for found in (row["per_scanner"][name] for name in scanners):
            low, high = found["accuracy_ci95"] or (float("nan"),) * 2
            cells.append(f"{found['accuracy']:.3f} ({low:.3f}–{high:.3f})")
        table.append(cells)
    said = "Accuracy by scanner (95 % interval over patients):"
    return [said, "", *markdown_table(["artefact", *counts], table), ""]


def what_lies_where(report: dict) -> list[str]:
    """A line for each artefact: its path, its bytes, its compression ratios."""
    lines = ["What lies where:", ""]
    for row in report["artefacts"]:
        to_teacher, to_conventional, _ = compare(row, report).texts()
        own = f"{to_teacher} to its teacher and " if to_teacher else ""
        ratios = f", compression ratio {own}{to_conventional} to {report['conventional']['name']}"
        lines.append(f"- `{row['path']}`: {row['bytes']:,} bytes{ratios if to_conventional else ''}")
    return lines
