"""A study of the tiny data set, whose trainings take a model from the shelf."""

import common.quiet  # noqa: F401  isort: skip

import shutil

import keras
import pytest

from studies.declare import read_study
from tests.evaluation.small import make_dataset, make_student, save_keras, save_tflite
from tests.studies.small import finish, keep_parsers, outline_large, write_config


@pytest.fixture(autouse=True, scope="package")
def parsers():
    with pytest.MonkeyPatch.context() as monkeypatch:
        keep_parsers(monkeypatch)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("study") / "data")


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """What trainings hand out: two models by seed, of both kinds, all with counts."""
    folder = tmp_path_factory.mktemp("shelf")
    for seed in (0, 1):
        save_keras(folder / f"model{seed}.keras", make_student(seed))
        save_tflite(folder / f"model{seed}.tflite", make_student(seed), softmax=True)
    for path in folder.glob("*.tflite.json"):
        path.write_text(
            path.read_text().replace('"params": null', '"params": 200').replace('"macs": null', '"macs": 900')
        )
    keras.backend.clear_session()
    return folder


@pytest.fixture
def outlined(monkeypatch):
    """The tiny frames are too small for the models that are named, which nobody builds here."""
    outline_large(monkeypatch)


@pytest.fixture
def config(tmp_path, tiny, monkeypatch, outlined):
    return write_config(tmp_path, tiny, monkeypatch)


@pytest.fixture
def study(config):
    return read_study(config)


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory, tiny, shelf):
    """The runs folder of a study that went through once."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        config = write_config(folder, tiny, monkeypatch)
        outline_large(monkeypatch)
        finish(read_study(config), shelf)
    return folder / "runs"


@pytest.fixture
def finished(study, finished_runs):
    """A study that went through once."""
    shutil.copytree(finished_runs, study.runs)
    return study
