"""Artefacts of a model whose answers are known beforehand, and a clip that it answers."""

import pytest

from evaluation.artefacts import save_keras
from tests.data.clips import write_video
from tests.deployment.small import build_model, describe, third


@pytest.fixture(scope="session")
def model():
    return build_model()


@pytest.fixture(scope="session")
def student(model, tmp_path_factory):
    """Path of the `.keras` artefact."""
    path = tmp_path_factory.mktemp("thirds") / "student.keras"
    save_keras(model, path, describe())
    return path


@pytest.fixture
def clip(tmp_path):
    """30 frames at 25 per s: ten of each class, the middle ones too faint to be sure of."""
    frames = [third(0)] * 10 + [third(1, 40)] * 10 + [third(2)] * 10
    return write_video(tmp_path / "clip.mkv", frames)
