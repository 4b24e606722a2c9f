"""The tables of a page: artefacts, classes, scanners, clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from evaluation.classification import labelled, probability_array
from evaluation.compression import compare
from evaluation.page.markup import paragraph, table
from evaluation.table import bytes_text, count_text, short_name

_MOST_CLIPS = 40

Report = Mapping[str, Any]


def artefact_table(report: Report, main: int) -> str:
    """One row per artefact, with intervals; the one that the rest of the page is about is marked."""
    conventional = report["conventional"]["name"]
    head = ["artefact", "accuracy, %", "macro-F1", "calibration error", "by recording, %", "parameters", "size"]
    head += ["compression to teacher", f"to {conventional}", "latency, ms", "peak memory"]
    paths = [row["path"] for row in report["artefacts"]]
    rows = []
    for row in report["artefacts"]:
        to_teacher, to_conventional, _ = compare(row, report).texts()
        latency = row["latency_ms"]["median"]
        rows.append(
            (
                short_name(row["path"], paths),
                percent(row["accuracy"], row["accuracy_ci95"]),
                share(row["macro_f1"], row["macro_f1_ci95"]),
                f"{row['ece']:.3f}",
                f"{100 * row['votes']['accuracy']:.1f}",
                count_text(row["params"]),
                bytes_text(row["bytes"]),
                to_teacher or "–",
                to_conventional or "–",
                "–" if latency is None else f"{latency:.2f}",
                "–" if row["memory_bytes"] is None else bytes_text(row["memory_bytes"]),
            )
        )
    return table(head, rows, main=main)


def class_table(row: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of each class."""
    rows = [
        (
            name,
            f"{facts['support']:,}",
            percent(facts["recall"], facts["recall_ci95"]),
            percent(facts["precision"], facts["precision_ci95"]),
            f"{facts['f1']:.3f}",
        )
        for name, facts in row["per_class"].items()
    ]
    head = ("class", "frames", "found of its frames (recall), %", "right of its answers (precision), %", "F1")
    return table(head, rows)


def scanner_table(report: Report) -> str:
    """Accuracy of every artefact on the frames of each scanner."""
    rows, paths = report["artefacts"], [row["path"] for row in report["artefacts"]]
    known = rows[0]["per_scanner"]
    if not known:
        return paragraph("The data do not say which scanner a frame is from.")
    head = ("scanner", "frames", "patients", *(f"{short_name(path, paths)}, %" for path in paths))
    lines = [
        (
            name,
            f"{facts['n_frames']:,}",
            f"{facts['n_patients']:,}",
            *(percent(row["per_scanner"][name]["accuracy"], row["per_scanner"][name]["accuracy_ci95"]) for row in rows),
        )
        for name, facts in known.items()
    ]
    return table(head, lines)


def clip_table(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """A row for each recording and class in it, the worst first: how many of its frames are right, and its vote."""
    frames = labelled(predictions)
    probabilities = probability_array(frames, classes)
    frames = frames.assign(right=probabilities.argmax(axis=1) == frames["label"], sure=probabilities.max(axis=1))
    columns = [f"p_{name}" for name in classes]
    groups = frames.groupby(["recording_id", "label"], sort=True)
    found = groups.agg(
        patient=("patient_id", "first"),
        scanner=("scanner", "first"),
        n=("right", "size"),
        right=("right", "mean"),
        sure=("sure", "mean"),
    )
    found["vote"] = groups[columns].mean().to_numpy().argmax(axis=1)
    if found["n"].max() == 1:
        return paragraph("Every recording is a single image, so there is nothing to say of clips.")
    found = found.sort_values(["right", "sure"], ascending=[True, False], kind="stable")
    several = found["scanner"].nunique() > 1
    rows = [
        (
            str(recording),
            row.patient,
            *((row.scanner,) if several else ()),
            classes[label],
            f"{row.n}",
            f"{100 * row.right:.0f}",
            ("" if row.vote == label else "✗ ") + classes[row.vote],
            f"{row.sure:.2f}",
        )
        for (recording, label), row in zip(found.index[:_MOST_CLIPS], _rows(found.iloc[:_MOST_CLIPS]))
    ]
    shown = f"The {len(rows)} worst of {len(found):,}" if len(found) > len(rows) else f"All {len(found):,}"
    wrong = int((found["vote"] != found.index.get_level_values("label")).sum())
    said = f"{shown}, by the share of their frames that are right; {wrong} of {len(found):,} have a wrong vote."
    head = ("recording", "patient", *(("scanner",) if several else ()), "class", "frames", "right, %", "vote")
    texts = [number for number, name in enumerate(head) if name in ("patient", "scanner", "class", "vote")]
    return paragraph(said) + table((*head, "mean confidence"), rows, texts=texts)


def clip_summary(row: Mapping[str, Any]) -> str:
    """What is known of clips as they run, in a sentence; "" where nothing is."""
    clips = row.get("clips")
    if not clips:
        return ""
    correct, decided = clips["time_to_first_correct_s"], clips["frames_to_decision"]
    words = (
        f"Followed in time over {clips['n_clips']:,} clips, with the filter for streams: "
        f"{100 * clips['accuracy']:.1f} % of a clip's frames are right on average"
    )
    if correct["median"] is not None:
        words += f"; the first right answer that is not rejected comes after {correct['median']:.2f} s (median)"
    if decided["median"] is not None:
        words += f", the first answer of any kind at frame {decided['median']:.0f}"
    return paragraph(f"{words}; {correct['never']:,} clips get no right answer.")


def percent(value: float, interval: Sequence[float] | None) -> str:
    """A share in percent, with its interval."""
    return share(100 * value, None if interval is None else [100 * end for end in interval], 1)


def share(value: float, interval: Sequence[float] | None, digits: int = 3) -> str:
    """A number with its interval."""
    if interval is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({interval[0]:.{digits}f}–{interval[1]:.{digits}f})"


def _rows(frame: pd.DataFrame) -> Any:
    return frame.itertuples(index=False, name="Clip")
