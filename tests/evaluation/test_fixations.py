"""I-DT: by hand, against pymovements, and on frames that hold samples without their times."""

import numpy as np
import pytest

from data.dataset import FrameRecord, open_dataset, write_dataset
from evaluation.fixations import detect_fixations, frame_fixations

DEGREE = 0.03  # of the frame's width: the convention of the gaze maps


def look(places, samples, rate_hz=60.0, noise=0.0, saccade=0, seed=0):
    """(time_s, x, y): `samples` at each place in turn, `saccade` samples on the way between two."""
    random = np.random.default_rng(seed)
    parts = []
    for k, place in enumerate(places):
        if k and saccade:
            steps = np.linspace(0, 1, saccade + 2)[1:-1, None]
            parts.append(np.array(places[k - 1]) + steps * (np.array(place) - places[k - 1]))
        parts.append(np.array(place) + random.uniform(-noise, noise, (samples, 2)))
    x, y = np.concatenate(parts).T
    return np.arange(len(x)) / rate_hz, x, y


def test_two_places_are_two_fixations():
    time_s, x, y = look([(0.2, 0.3), (0.6, 0.7)], 30, noise=0.005)
    first, second = detect_fixations(time_s, x, y, dispersion=DEGREE)
    assert (first.start, first.stop, second.start, second.stop) == (0, 30, 30, 60)
    assert (first.x, first.y) == pytest.approx((x[:30].mean(), y[:30].mean()))


@pytest.mark.parametrize(("samples", "found"), [(5, 0), (6, 1)])
def test_shorter_than_a_tenth_of_a_second_is_no_fixation(samples, found):
    time_s, x, y = look([(0.5, 0.5)], samples)
    assert len(detect_fixations(time_s, x, y, dispersion=DEGREE)) == found


def test_the_threshold_is_on_the_sum_of_both_extents():
    time_s = np.arange(20) / 60
    x, y = np.linspace(0, 0.6 * DEGREE, 20), np.linspace(0, 0.5 * DEGREE, 20)
    found = detect_fixations(time_s, x, y, dispersion=DEGREE)
    assert len(found) >= 1 and found[0].stop < 20
    assert detect_fixations(time_s, x, 0 * y, dispersion=DEGREE)[0].stop == 20


def test_a_moving_eye_has_none():
    time_s = np.arange(60) / 60
    assert detect_fixations(time_s, np.linspace(0, 1, 60), 0 * time_s, dispersion=DEGREE) == []
    assert detect_fixations([], [], [], dispersion=DEGREE) == []
    assert detect_fixations([0.0], [0.5], [0.5], dispersion=DEGREE) == []


def test_shift_and_scale_do_not_matter():
    time_s, x, y = look([(0.2, 0.3), (0.6, 0.7), (0.3, 0.3)], 20, noise=0.01)
    found = [(f.start, f.stop) for f in detect_fixations(time_s, x, y, dispersion=DEGREE)]
    moved = detect_fixations(time_s + 7, 1000 * x + 5, 1000 * y - 3, dispersion=1000 * DEGREE)
    assert found == [(f.start, f.stop) for f in moved] and len(found) >= 3


def test_against_pymovements():
    events = pytest.importorskip("pymovements.events", reason="development requirement, the oracle of I-DT")
    random = np.random.default_rng(3)
    places = random.uniform(0.1, 0.9, (12, 2))
    # Saccades of 4 samples, far longer than 1° each.
    time_s, x, y = look(places, 25, rate_hz=50, noise=0.2 * DEGREE, saccade=4, seed=4)
    found = detect_fixations(time_s, x, y, dispersion=DEGREE)
    oracle = events.idt(np.stack([x, y], 1), np.rint(1000 * time_s).astype(int), 100, DEGREE).frame
    assert len(found) == 12
    assert [20 * f.start for f in found] == oracle["onset"].to_list()
    # pymovements counts the sample that first lies too far away as the fixation's last.
    assert [20 * min(f.stop, len(x) - 1) for f in found] == oracle["offset"].to_list()


def write(folder, frames, size=(16, 24)):
    """A data set of one test recording: [(frame_index, time_s, x, y)]; others fill the training split."""
    with write_dataset(
        folder, classes=("a", "b"), frame_size=size, source={"kind": "test"}, seed=0, require_all_classes=False
    ) as writer:
        for name, split in (("p0", "train"), ("p1", "test")):
            for number, (index, time_s, x, y) in enumerate(frames):
                writer.add(split, FrameRecord(np.zeros(size, np.uint8), number % 2, name, name, index, time_s, x, y))
    return open_dataset(folder)


def cut_into_frames(time_s, x, y, fps, keep=1):
    frames = []
    for index in range(0, int(np.ceil(time_s[-1] * fps)), keep):
        shown = (time_s >= index / fps) & (time_s < (index + 1) / fps)
        frames.append((index, index / fps, x[shown], y[shown]))
    return frames


def test_a_fixation_is_of_every_frame_that_it_lasts(tmp_path):
    """At 25 frames a second no frame lasts 100 ms; those of one recording together do."""
    time_s, x, y = look([(0.2, 0.3), (0.6, 0.7)], 50, rate_hz=50)
    data = write(tmp_path / "set", cut_into_frames(time_s, x, y, 25))
    found = frame_fixations(data, "test")
    assert found.rule == "idt" and found.reason == ""
    assert len(found.points) == 50
    for k, points in enumerate(found.points):
        np.testing.assert_allclose(points, [[0.2, 0.3] if k < 25 else [0.6, 0.7]], atol=1e-6)
    assert found.describe()["degree_of_frame_width"] == DEGREE


def test_frames_that_were_left_out_end_a_stretch(tmp_path):
    """Every tenth frame of 25 a second: 40 ms of samples each, and the eye may have been anywhere between."""
    time_s, x, y = look([(0.2, 0.3)], 100, rate_hz=50)
    found = frame_fixations(write(tmp_path / "set", cut_into_frames(time_s, x, y, 25, keep=10)), "test")
    assert found.rule == "samples" and "I-DT finds no fixation" in found.reason
    assert [len(points) for points in found.points] == [2] * 5
    # Kept frames that are long enough are enough.
    frames = cut_into_frames(time_s, x, y, 2.5, keep=2)
    assert frame_fixations(write(tmp_path / "slow", frames), "test").rule == "idt"


def test_the_samples_themselves(tmp_path):
    time_s, x, y = look([(0.2, 0.3), (0.6, 0.7)], 50, rate_hz=50)
    data = write(tmp_path / "set", cut_into_frames(time_s, x, y, 25))
    found = frame_fixations(data, "test", "samples")
    assert (found.rule, found.reason) == ("samples", "") and sum(map(len, found.points)) == 100
    with pytest.raises(ValueError, match="rule must be one of idt, samples, not 'ivt'"):
        frame_fixations(data, "test", "ivt")


def test_a_degree_is_round_in_pixels(tmp_path):
    """In a frame twice as wide as high, the same share of the height is half as far."""
    time_s = np.arange(50) / 50
    down = np.linspace(0, 1.9 * DEGREE, 50)
    frames = cut_into_frames(time_s, 0 * down + 0.5, 0.5 + down, 25)
    (fixation,) = {tuple(p[0]) for p in frame_fixations(write(tmp_path / "set", frames, (16, 32)), "test").points}
    assert fixation == pytest.approx((0.5, 0.5 + down.mean()), abs=1e-6)
    square = frame_fixations(write(tmp_path / "square", frames, (16, 16)), "test")
    assert len({tuple(p[0]) for p in square.points if len(p)}) == 2
