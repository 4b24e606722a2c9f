"""What several test modules read, simulated once in a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom import write_recordings
from phantom.cast import PLANES
from tests.phantom.simulated import PER_PLANE, SMALL, Sample, simulate


@pytest.fixture(scope="session")
def acquisitions() -> dict[tuple[str, int], list[Sample]]:
    """Clips that hold a plane, at the default level, by plane and trimester; without frames."""
    return {
        (plane, trimester): [simulate(plane, seed, trimester=trimester) for seed in range(PER_PLANE)]
        for plane in PLANES
        for trimester in (2, 3)
    }


@pytest.fixture(scope="session")
def samples(acquisitions) -> list[Sample]:
    """Clips of every class, as many of each."""
    planes = [sample for group in acquisitions.values() for sample in group]
    return planes + [simulate("background", seed) for seed in range(2 * PER_PLANE)]


@pytest.fixture(scope="session")
def small_recordings(tmp_path_factory) -> Path:
    """The folder of small recordings of `SMALL`."""
    return write_recordings(tmp_path_factory.mktemp("phantom") / "one", SMALL).parent
