"""The predictions table: every frame once, in stored order, whatever the batch size."""

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from data.reading import read_split
from evaluation.artefacts import load_artefact
from evaluation.predictions import predict_split, split_rows
from tests.evaluation.small import CLASSES, artefact_paths


@pytest.fixture
def student_file(run_folder):
    return load_artefact(run_folder / "student" / "student.keras")


def test_rows_are_the_stored_frames(dataset, student_file):
    table = predict_split(student_file, dataset, "test")
    stored = list(read_split(dataset, "test").as_numpy_iterator())
    assert len(table) == len(stored) == 32
    assert list(table.columns) == [
        "recording_id", "patient_id", "scanner", "frame_index", "time_s", "label", *(f"p_{name}" for name in CLASSES),
    ]  # fmt: skip
    for row, example in zip(table.itertuples(), stored):
        assert (row.recording_id, row.patient_id) == (
            example["recording_id"].decode(),
            example["patient_id"].decode(),
        )
        assert (row.frame_index, row.label) == (example["frame_index"], example["label"])
    np.testing.assert_allclose(
        table.filter(like="p_").drop(columns="patient_id", errors="ignore").iloc[:, -3:].sum(axis=1), 1
    )


def test_probabilities_are_those_of_the_rows_own_frame(dataset, student_file):
    table = predict_split(student_file, dataset, "test", batch_size=5)
    for number, example in enumerate(read_split(dataset, "test").as_numpy_iterator()):
        alone = student_file.predict({"frame": example["frame"][None].astype(np.float32) / 255})
        np.testing.assert_allclose(table.iloc[number, -3:].to_numpy(dtype=float), alone[0], atol=1e-6)


@pytest.mark.parametrize("number", range(5))
def test_the_batch_size_does_not_matter(run_folder, dataset, number):
    artefact = load_artefact(artefact_paths(run_folder)[number])
    one, many = (predict_split(artefact, dataset, "val", batch_size=size) for size in (1, 7))
    pd.testing.assert_frame_equal(one, many, check_exact=False, atol=1e-6)


def test_gaze_reaches_the_teacher_and_not_the_student(run_folder, dataset, student_file):
    teacher = load_artefact(run_folder / "teacher" / "teacher.keras")
    real, none = (predict_split(teacher, dataset, "test", gaze=mode) for mode in ("real", "none"))
    assert np.abs(real.iloc[:, -3:] - none.iloc[:, -3:]).to_numpy().max() > 1e-5
    # Frame 1 of each recording has no gaze: nothing changes for it.
    blind = real["frame_index"] == 1
    np.testing.assert_allclose(real.iloc[:, -3:][blind], none.iloc[:, -3:][blind], atol=1e-6)
    pd.testing.assert_frame_equal(
        predict_split(student_file, dataset, "test"),
        predict_split(student_file, dataset, "test", gaze="none"),
    )


def test_an_empty_split_is_one_line(tmp_path, dataset):
    with pytest.raises(InputError, match="no frames in split 'nothing'"):
        split_rows(dataset, "nothing")
