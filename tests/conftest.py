"""Shared by all tests: a quiet TensorFlow, and where real data may lie."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest


@pytest.fixture(scope="session")
def fetal_planes_dir() -> Path:
    """A folder in the layout of FETAL_PLANES_DB."""
    return _real_data("FETAL_PLANES_DIR")


@pytest.fixture(scope="session")
def gaze_recordings_dir() -> Path:
    """Real eye-tracker files."""
    return _real_data("GAZE_RECORDINGS_DIR")


@pytest.fixture(scope="session")
def sononet_dir() -> Path:
    """SonoNet16.npz of the authors beside examples/, some of their example screens."""
    return _real_data("SONONET_DIR")


def _real_data(variable: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"real data: {variable} is not set")
    if not Path(folder).is_dir():
        pytest.fail(f"{variable} is {folder}, which is no folder")
    return Path(folder)
