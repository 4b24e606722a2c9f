"""The fan: on simulated screens whose fan is known, on drawn shapes, and on real clips where they are there."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.video.fan import find_fan
from tests.data.screens import box_error, compose, curved, simulated, speckle


def check(seeds):
    errors, silent = [], []
    for seed in seeds:
        screens, box = compose(*simulated(seed), seed)
        fan = find_fan(screens)
        errors.append(box_error(fan.box, box))
        if fan.sure and errors[-1] > 0.02:
            silent.append(seed)
    return np.array(errors), silent


def test_boxes_of_simulated_screens_and_none_silently_wrong():
    errors, silent = check(range(10))
    assert (errors <= 0.02).mean() >= 0.9
    assert not silent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "count"),
    [pytest.param(10, 50, marks=pytest.mark.whole), pytest.param(1000, 50, marks=pytest.mark.whole), (1000, 25)],
    ids=["tuned on, as ten above", "new", "half of the new"],
)
def test_boxes_of_many_simulated_screens(first, count):
    """The new ones were not looked at when the fan's limits were set."""
    errors, silent = check(range(first, first + count))
    print(f"{(errors <= 0.02).sum()} of {count} within 2 %, median {np.median(errors):.4f}, silently wrong: {silent}")
    assert (errors <= 0.02).mean() >= 0.95
    assert not silent


@pytest.mark.parametrize("frames", [1, 6])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("curved", curved((400, 500), (250, -60), 0.55, (110, 420))),
        ("sector", curved((400, 500), (250, 20), 0.7, (0, 350))),
        ("linear", np.pad(np.ones((280, 300), bool), ((60, 60), (90, 110)))),
    ],
)
def test_shapes_are_found_from_a_clip_and_from_one_image(kind, shape, frames):
    fan = find_fan(speckle(shape, frames))
    assert fan.sure, fan.reason
    assert fan.kind == kind
    assert box_error(fan.box, cv2.boundingRect(shape.astype(np.uint8))) <= 0.02
    assert (fan.mask & shape).sum() / (fan.mask | shape).sum() >= 0.97


def test_a_frame_filled_with_echoes_is_kept_whole():
    fan = find_fan(speckle(np.ones((200, 300), bool), 5))
    assert fan.box == (0, 0, 300, 200) and fan.mask.mean() > 0.99


def test_still_marks_are_outside_and_do_not_move_the_box():
    shape = curved((400, 500), (250, -60), 0.55, (110, 420))
    frames = speckle(shape, 6)
    for frame in frames:
        cv2.putText(frame, "PRESET CARDIAC", (330, 30), 0, 0.6, 255, 1)
        frame[40:180, 5:17] = np.linspace(255, 0, 140)[:, None]
    for stack in (frames, frames[0]):
        fan = find_fan(stack)
        assert fan.sure, fan.reason
        assert box_error(fan.box, cv2.boundingRect(shape.astype(np.uint8))) <= 0.02
        assert not fan.mask[40:180, 5:17].any() and not fan.mask[18:31, 330:480].any()


def test_what_is_unsure_is_said():
    nothing = find_fan(np.zeros((5, 100, 120), np.uint8))
    assert not nothing.sure and nothing.mask.all() and nothing.box == (0, 0, 120, 100)
    left, right = np.zeros((300, 600), bool), np.zeros((300, 600), bool)
    left[40:260, 30:260], right[40:260, 330:560] = True, True
    two = find_fan(speckle(left | right, 6))
    assert not two.sure or two.box[2] > 500
    with pytest.raises(ValueError, match="uint8"):
        find_fan(np.zeros((3, 10, 10), np.float32))


def test_real_clips():
    folder = os.environ.get("LUNG_CLIPS_DIR")
    if not folder:
        pytest.skip("LUNG_CLIPS_DIR is not set")
    from data.video.read import open_video

    for path in sorted(Path(folder).glob("*.mp*")):
        video = open_video(path)
        chosen = set(np.linspace(0, len(video) - 1, 16).astype(int).tolist())
        frames = np.stack([frame for index, _, frame in video if index in chosen])
        fan = find_fan(frames)
        x, y, wide, high = fan.box
        cut = frames.max(axis=0)
        cut[y : y + high, x : x + wide] = 0
        # Those who published them cropped them to the fan, some with a black border: what is cut off shows nothing.
        assert not fan.sure or ((cut > 40).mean() < 0.005 and wide * high > 0.8 * cut.size), path.name
        # Nobody measured anything in them: of one two ticks at the edge are painted over.
        assert fan.marks is None or fan.marks.mean() < 0.001, path.name
        if path.name.startswith("linear"):
            assert fan.kind == "linear"
