"""What the register of frames finds, against a plain comparison of sets."""

import numpy as np
import pytest

from common.errors import InputError
from data.duplicates import FrameRegister, frame_digest


def digest(number):
    return frame_digest(np.full((2, 2), number, np.uint16))


def register(recordings):
    """{recording: (patient, frames)} in order → (shared, within)."""
    found = FrameRegister()
    for name, (patient, frames) in recordings.items():
        for frame in frames:
            found.add(name, patient, digest(frame))
        found.close(name, f"{name}.mkv")
    return found.shared, found.within


def plain(recordings):
    """The same by going through all recordings before each; None where it is refused."""
    first, sizes, shared, within = {}, {}, 0, 0
    for name, (patient, frames) in recordings.items():
        mine, counts = set(frames), {}
        for frame in mine:
            owner = first.setdefault(frame, name)
            if owner != name:
                counts[owner] = counts.get(owner, 0) + 1
        sizes[name] = len(mine)
        for owner, count in counts.items():
            if recordings[owner][0] == patient:
                within += count == len(mine)
            elif count > 3 or count == min(len(mine), sizes[owner]):
                return None
            else:
                shared += count
    return shared, within


def test_the_register_finds_what_a_plain_comparison_finds():
    random = np.random.default_rng(0)
    outcomes = []
    for _ in range(300):
        frames = random.integers(20, 400)
        recordings = {
            f"r{number}": (f"p{number // 2}", random.integers(0, frames, random.integers(1, 12)).tolist())
            for number in range(random.integers(2, 9))
        }
        expected = plain(recordings)
        outcomes.append(expected)
        if expected is None:
            with pytest.raises(InputError, match="pixel by pixel"):
                register(recordings)
        else:
            assert register(recordings) == expected
    refused = sum(outcome is None for outcome in outcomes)
    assert 20 < refused < 280 and any(outcome and outcome[0] for outcome in outcomes)
