"""One source at two frame sizes: a view of the large frame is that of the small one, or it is refused."""

import dataclasses

import numpy as np
import pytest

from common.errors import InputError
from data.augment import Augmentation
from data.counterpart import check_counterpart, counterpart_augmentation
from data.pipeline import PipelineSettings, view_batches
from data.video.framing import FrameRule
from tests.data import smooth

SETTINGS = PipelineSettings(batch_size=6, seed=5, sigma=0.15)  # wide: a narrow map is that of its nearest cell
CHANGES = {
    "geometry": Augmentation(depth=0.2, aspect=0.2, sector_cut=0.3),
    "scanner": Augmentation(gain=0.1, time_gain=0.1, dynamic_range=0.2, far_field=0.5),
    "blur": Augmentation(blur=2.0),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same smooth pictures at 48×64 and at 96×128."""
    folder = tmp_path_factory.mktemp("sizes")
    return smooth.write(folder / "small", (48, 64)), smooth.write(folder / "large", (96, 128))


@pytest.mark.parametrize("name", CHANGES)
def test_a_view_of_the_large_frame_is_that_of_the_small_one(both, name):
    small, large = both
    chosen = CHANGES[name]
    scaled = counterpart_augmentation(chosen, small.frame_size, large.frame_size)
    (one,) = (f for f, *_ in view_batches(small, "train", SETTINGS, chosen, 3))
    (two,) = (f for f, *_ in view_batches(large, "train", SETTINGS, scaled, 3))
    halved = two["frame"].numpy().reshape(6, 48, 2, 64, 2).mean(axis=(2, 4))
    difference = np.abs(one["frame"][..., 0] - halved)
    assert difference.mean() < 0.004 and np.quantile(difference, 0.95) < 0.005  # edges are half a pixel off
    # Of another view, the difference is far larger.
    assert np.abs(one["frame"][..., 0] - np.roll(halved, 1, axis=0)).mean() > 0.2
    # The gaze lies in the same place: the large map's cells, four by four, are those of the small one.
    cells = two["gaze"].numpy().reshape(6, 6, 2, 8, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(cells, one["gaze"], atol=0.006)


def test_what_is_measured_in_pixels_is_scaled_and_nothing_else():
    chosen = Augmentation(blur=1.5, resolution=2.0, calipers=0.5, text=0.5)
    scaled = counterpart_augmentation(chosen, (112, 144), (224, 288))
    assert scaled == dataclasses.replace(chosen, blur=3.0, resolution=4.0)
    assert counterpart_augmentation(chosen, (112, 144), (112, 144)) == chosen


def test_what_two_sizes_can_not_share_is_refused():
    with pytest.raises(InputError, match=r"speckle 0\.2: its grain is drawn pixel by pixel, so that frames of 48×64"):
        counterpart_augmentation(Augmentation(speckle=0.2), (48, 64), (96, 128))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"size": (48, 128)}, "48×128, and those of .* 48×64, of another ratio"),
        (
            {"order": (1, 0, 2, 3, 4, 5)},
            "row 0 of split 'train' is frame 1 of train0, and in .* it is frame 0 of train0",
        ),
        ({"order": (0, 1, 2, 3)}, "has 4 frames in split 'train', and .* has 6"),
        ({"rule": FrameRule(fit="stretch")}, "its fit is stretch, and that of .* pad"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_another_source_is_refused(both, tmp_path, written, named):
    other = smooth.write(tmp_path / "other", **{"size": (96, 128), **written})
    with pytest.raises(InputError, match=named):
        check_counterpart(other, both[0])


def test_the_same_source_is_taken(both):
    check_counterpart(both[1], both[0])
    check_counterpart(both[0], both[1])
