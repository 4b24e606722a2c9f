"""The predictions table: one row per frame, from which everything else is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rich.markup import escape

from common.console import track
from data.dataset import UNKNOWN_SCANNER, Dataset
from data.pipeline import evaluation_batches
from data.reading import read_labels
from evaluation.artefacts import Artefact


def predict_split(
    artefact: Artefact, data: Dataset, split: str, gaze: str = "real", batch_size: int = 64, show: bool = True
) -> pd.DataFrame:
    """Run an artefact over a split, in stored order, without augmentation.

    Args:
        artefact: its classes and frame size must be the data set's (`check_matches`).
        data: the opened data set.
        split: "train", "val" or "test".
        gaze: what a teacher sees: "real", "none", "shuffled" or "centre", as maps with the
            sigma that its metadata names. Students see frames alone, whatever is given here.
        batch_size: frames per batch; the result does not depend on it.
        show: a progress bar.

    Returns:
        Columns `recording_id`, `patient_id`, `scanner` (text; "unknown" where nobody said),
        `frame_index`, `time_s`, `label` (index into the classes, −1 = unlabelled), then
        `p_<class>` for each class.

    Raises:
        InputError: the split has no frames.
    """
    table = split_rows(data, split)
    # A student does not look at the gaze, so none is prepared for it.
    mode = gaze if "gaze" in artefact.metadata.inputs else "none"
    batches = evaluation_batches(data, split, batch_size=batch_size, sigma=artefact.metadata.sigma, gaze=mode)
    found = batches.as_numpy_iterator()
    if show:
        found = track(found, escape("/".join(artefact.path.parts[-2:])), -(-len(table) // batch_size))
    probabilities = [artefact.predict(features) for features, _, _ in found]
    columns = [f"p_{name}" for name in data.classes]
    return pd.concat([table, pd.DataFrame(np.concatenate(probabilities), columns=columns)], axis=1)


def split_rows(data: Dataset, split: str) -> pd.DataFrame:
    """What is known about each frame of a split, in stored order, without the frames."""
    names: dict[bytes, str] = {}  # each name once, however many frames have it

    def texts(values: np.ndarray) -> np.ndarray:
        return np.array([names.setdefault(value, value.decode()) for value in values], object)

    parts = []
    for rows in read_labels(data, split, ("recording_id", "scanner", "frame_index", "time_s")):
        columns = {
            "recording_id": texts(rows.columns["recording_id"]),
            "patient_id": texts(rows.patients),
            "scanner": texts(rows.columns["scanner"]),
            "frame_index": rows.columns["frame_index"],
            "time_s": rows.columns["time_s"],
            "label": rows.labels,
        }
        parts.append(pd.DataFrame(columns))
    table = pd.concat(parts, ignore_index=True)
    table["scanner"] = table["scanner"].replace("", UNKNOWN_SCANNER)
    return table
