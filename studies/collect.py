"""What a row's artefact is worth: evaluated once, stored with the checksums of what it is about."""

from __future__ import annotations

import datetime
import zlib
from pathlib import Path

import pandas as pd

from common.files import whole_file
from common.machine import machine
from evaluation.config import EvaluateConfig
from evaluation.report import run_evaluation
from studies.declare import Row, Study
from studies.records import (
    EVALUATION_VERSION,
    Checksums,
    artefact_checksum,
    data_checksum,
    predictions_path,
    write_result,
)


def evaluate_row(study: Study, row: Row, sums: Checksums, *, latency: bool = True) -> dict:
    """Evaluate a row on the test split of its data set, or of the one it names for that, and store the result.

    Returns:
        What `result.json` holds: `row` and `dataset` of the report, `gzipped_bytes`,
        checksums, machine.

    Raises:
        InputError: the artefact can't be evaluated on this data set.
    """
    rows = [study.row(row.table, name) for name in row.members] if row.how == "ensemble" else [row]
    paths = [study.artefact(one) for one in rows]
    config = EvaluateConfig(
        paths, study.datasets[row.tested_on].path, gaze=row.gaze, latency=latency, ensemble=row.how == "ensemble"
    )
    evaluation = run_evaluation(config)
    with whole_file(predictions_path(study, row)) as temporary:
        evaluation.tables[-1].to_csv(temporary, index=False)
    result = {
        "version": EVALUATION_VERSION,
        "artefact_sha256": artefact_checksum(study, row, sums),
        "dataset_checksum": data_checksum(study, row, tested=True),
        "gaze": row.gaze,
        "row": evaluation.report["artefacts"][-1],
        "dataset": evaluation.report["dataset"],
        "gzipped_bytes": _gzipped(paths),
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    write_result(study, row, result)
    return result


def read_predictions(study: Study, row: Row) -> pd.DataFrame:
    """The stored predictions of an evaluated row."""
    text = {"recording_id": str, "patient_id": str}
    return pd.read_csv(predictions_path(study, row), dtype=text, keep_default_na=False, na_values=["nan"])


def _gzipped(paths: list[Path]) -> int | None:
    """Bytes of .tflite files after gzip's compression (DEFLATE, level 9); None for other files."""
    if any(path.suffix != ".tflite" for path in paths):
        return None
    return sum(len(zlib.compress(path.read_bytes(), 9)) for path in paths)
