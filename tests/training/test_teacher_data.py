"""A teacher of frames of 96×128 teaches a student of 48×64: on the same views, by its cache alone."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from common.errors import InputError
from data.dataset import open_dataset
from data.pipeline import view_batches
from evaluation.artefacts import Metadata, write_metadata
from losses.attention import attention_map
from models.distiller import teacher_pass
from tests.data import smooth
from tests.training import tiny
from training import train
from training.stages import Stage, stage_fingerprints
from training.teacher import load_teachers, with_sigma
from training.teacher_cache import teacher_cache

pytestmark = pytest.mark.usefixtures("quick_exports")
LARGE = (96, 128)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with both data sets and an untrained teacher of the large frames."""
    folder = tmp_path_factory.mktemp("sizes")
    smooth.write(folder / "small", tiny.FRAME_SIZE)
    smooth.write(folder / "large", LARGE)
    keras.utils.set_random_seed(1)
    teacher = tiny.build_teacher(keras, (*LARGE, 1), len(smooth.CLASSES))
    teacher.save(folder / "teacher.keras")
    inputs = ("frame", "gaze")
    metadata = Metadata("plain", smooth.CLASSES, LARGE, "logits", "teacher", inputs, gaze_map_size=(12, 16))
    write_metadata(folder / "teacher.keras", metadata)
    return folder


def config(place, run, **settings):
    distil = {"epochs": 1, "batch_size": 6, "views": 2, "teacher_data": place / "large", **settings.pop("distil", {})}
    given = {"stages": ["student"], "teacher_path": (place / "teacher.keras",), "distil": distil, **settings}
    return tiny.config(place / "small", run, **given)


def test_one_epoch_with_soft_targets_and_maps_of_the_large_frames(place, run):
    train(config(place, run))
    logged = pd.read_csv(run / "history.csv").iloc[0]
    for name in ("soft", "attention", "gaze", "agreement"):
        assert np.isfinite(logged[name]) and np.isfinite(logged[f"val_{name}"])
    assert logged["soft"] > 0 and logged["attention"] > 0


def test_the_cache_holds_what_the_teacher_says_of_the_views_of_the_large_frames(place, run):
    made = with_sigma(config(place, run, distil={"epochs": 2}))
    data, large = open_dataset(made.data), open_dataset(place / "large")
    prints = stage_fingerprints(made, data)
    stage = Stage("student", made, data, run, prints["student"], prints)
    teacher = load_teachers(made, data, run)
    cache, live = teacher_cache(stage, teacher), teacher_pass(teacher, made.loss)
    for view in range(2):
        (features,) = (f for f, *_ in view_batches(large, "train", stage.pipeline(made.distil, 2), made.augment, view))
        expected = live(features)
        np.testing.assert_allclose(cache.arrays["train"]["logits"][view], expected["logits"], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(
            cache.arrays["train"]["stride8"][view], attention_map(expected["stride8"]), atol=1e-3
        )
    # The same settings with other large frames are another cache and another student.
    other = dataclasses.replace(made, distil=dataclasses.replace(made.distil, teacher_data=place / "small"))
    assert stage_fingerprints(other, data)["student"] != prints["student"]
    assert stage_fingerprints(other, data)["teacher"] == prints["teacher"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"distil": {"teacher_data": None}}, r"takes frames of 96×128, those of the data set .* are 48×64"),
        ({"distil": {"views": 0}}, "distil.teacher_data needs a teacher cache"),
        ({"teacher_path": ()}, "distil.teacher_data is for trained teachers"),
        ({"loss": {"hint": 0.1}}, "distil.teacher_data: the term hint needs the live teacher"),
        ({"student_init": "teacher"}, "student_init 'teacher' compares layers on frames that both see"),
        ({"augment": {"speckle": 0.1}}, r"augment\.speckle 0\.1"),
    ],
    ids=str,
)
def test_what_can_not_be_is_one_line_before_any_training(place, run, settings, named):
    with pytest.raises(InputError, match=named):
        train(config(place, run, **settings))
    assert not run.exists()
