"""A student for real images that also learns from simulated frames with gaze, and says so."""

import types

import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from data.pipeline import PipelineSettings, training_batches
from data.selection import UNLABELLED_MODES, gaze_frames_taken
from data.simulation import PARTLY, TRAINING
from data.sources import MergeConfig, merge_datasets
from evaluation.artefacts import read_metadata
from evaluation.config import EvaluateConfig
from evaluation.describing import simulated_training
from evaluation.limits import limits
from evaluation.report import run_evaluation
from evaluation.table import print_table
from tests.training import tiny
from training import train

pytestmark = pytest.mark.usefixtures("quick_exports")


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """24 real frames without gaze, 24 simulated ones with gaze and without labels."""
    folder = tmp_path_factory.mktemp("merged")
    main = tiny.write_shapes(folder / "main", counts=(24, 12, 12), gaze=False, simulated=False)
    extra = tiny.write_shapes(folder / "extra", counts=(24, 0, 0))
    return merge_datasets(MergeConfig(main=main, extra=extra, out=folder / "both", labels="withhold"))


def test_the_gaze_loss_is_over_the_simulated_frames_alone(merged):
    features, label, _ = next(iter(training_batches(merged, "train", PipelineSettings(batch_size=48))))
    np.testing.assert_array_equal(features["gaze_valid"].numpy(), label.numpy() < 0)
    assert features["gaze_valid"].numpy().sum() == 24


def test_a_pretraining_to_which_no_gaze_is_left_is_refused(merged, run):
    """Once it changed nothing, without a word."""
    found = {mode: gaze_frames_taken(merged, "train", mode) for mode in UNLABELLED_MODES}
    assert found == {"all": 24, "patients": 24, "withheld": 0, "none": 0}
    settings = {"teacher": "none", "stages": ["student"], "pretrain": {"epochs": 1}}
    with pytest.raises(InputError, match=r"pretrain\.epochs must be 0 without gaze.* with unlabelled 'none' no frame"):
        train(tiny.config(merged.path, run, **settings, unlabelled="none"))
    assert not run.exists()


def test_a_student_learns_from_both_and_its_reports_say_so(merged, run, capsys):
    settings = {"teacher": "none", "loss": {"alpha": 0, "attention": 0}, "stages": ["student"]}
    train(tiny.config(merged.path, run, **settings, distil={"epochs": 1, "batch_size": 48}))
    logged = pd.read_csv(run / "history.csv").iloc[0]
    assert logged["gaze"] > 0 and logged["hard"] > 0
    artefact = run / "student" / "student.keras"
    assert read_metadata(artefact).extra["simulated_training"] == PARTLY
    found = run_evaluation(EvaluateConfig((artefact,), merged.path, latency=False))
    dataset = found.report["dataset"]
    assert dataset["simulated"] is False and dataset["n_frames"] == 12
    said = " ".join(limits(found.report["artefacts"][0], dataset, found.artefacts[0].metadata))
    assert "Some of the training frames are simulated." in said and "measured on simulated" not in said
    print_table(found.report)
    assert "some of the training frames are simulated" in " ".join(capsys.readouterr().out.split())
    # Measured on the real images by themselves, it still says what it learned from.
    alone = run_evaluation(EvaluateConfig((artefact,), merged.path.parent / "main", latency=False))
    assert alone.report["dataset"]["simulated_training"] == PARTLY and alone.report["dataset"]["simulated"] is False


@pytest.mark.parametrize(
    ("stored", "same_data", "found"),
    [
        (True, False, True),  # learned from simulated frames alone, whatever it is measured on
        (False, False, False),  # of real ones alone, measured on a data set whose training split is partly simulated
        (None, True, PARTLY),  # of an earlier release: by the data set that it was trained on
        (None, False, None),
    ],
)
def test_a_model_says_itself_what_it_learned_from(merged, stored, same_data, found):
    extra = {} if stored is None else {TRAINING: stored}
    own = types.SimpleNamespace(extra=extra, dataset_checksum=merged.checksum if same_data else "another")
    assert simulated_training(own, merged) == found
