"""Letters and calipers over the image: found where they stand still, painted over, and echoes left as they are."""

import cv2
import numpy as np
import pytest

from data.dataset import open_dataset
from data.reading import read_split
from data.sources.config import RecordingsConfig
from data.sources.recordings import prepare_recordings
from data.video.fan import find_fan
from data.video.framing import prepare_image
from data.video.overlay import find_overlay, paint_over
from deployment.view import view_of
from tests.data.clips import write_video
from tests.data.screens import curved, simulated, speckle

FAN = curved((400, 500), (250, -60), 0.55, (110, 420))


def marks(size):
    """Two crosses, each with its number, and a dotted line between them: bool [h, w], all of it inside `FAN`."""
    drawn = np.zeros(size, np.uint8)
    for number, place in enumerate([(190, 210), (310, 290)], 1):
        cv2.drawMarker(drawn, place, 255, cv2.MARKER_CROSS, 11, 1)
        cv2.putText(drawn, str(number), (place[0] + 9, place[1] - 5), 0, 0.45, 255, 1)
    for share in np.linspace(0.15, 0.85, 15):
        drawn[round(210 + share * 80), round(190 + share * 120)] = 255
    return drawn > 0


def smooth(frames):
    """Speckle as large as a scanner's: single bright pixels stand still by no chance."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in frames])


@pytest.mark.parametrize("level", [160, 255])
def test_still_marks_over_moving_echoes_are_found_and_nothing_else(level):
    echoes = smooth(speckle(FAN, 8))
    assert not find_overlay(echoes, FAN).any()
    drawn = marks(FAN.shape)
    found = find_overlay(np.where(drawn, np.uint8(level), echoes), FAN)
    assert found[drawn].all()
    assert not (found & ~cv2.dilate(drawn.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)).any()


def test_what_is_painted_over_is_near_the_image_without_marks():
    """On simulated clips, enlarged to a scanner's picture; the brightest marks there are."""
    before, after = [], []
    for seed in range(4):
        frames, sector = simulated(seed)
        frames = np.stack([cv2.resize(frame, (500, 400), interpolation=cv2.INTER_LINEAR) for frame in frames])
        sector = cv2.resize(sector.astype(np.uint8), (500, 400), interpolation=cv2.INTER_NEAREST) > 0
        drawn = marks(frames.shape[1:]) & sector
        marked = np.where(drawn, np.uint8(255), frames)
        painted = paint_over(marked[0], find_overlay(marked, sector))
        before.append(np.abs(marked[0].astype(float) - frames[0])[drawn])
        after.append(np.abs(painted.astype(float) - frames[0])[drawn])
    assert np.concatenate(after).mean() < 0.1 * np.concatenate(before).mean()


def test_bright_echoes_that_stand_still_stay():
    """A thick reflector, and a thin one that is longer than any letter."""
    echoes = smooth(speckle(FAN, 8))
    echoes[:, 200:212, 180:320] = 255
    cv2.line(still := np.zeros(FAN.shape, np.uint8), (150, 300), (350, 320), 255, 2)
    assert not find_overlay(np.where(still > 0, np.uint8(255), echoes), FAN).any()


def test_in_one_image_marks_are_found_where_they_touch_nothing():
    image = smooth(speckle(FAN, 1))[0]
    image[150:330, 160:270] = 0  # as behind bone
    drawn = marks(FAN.shape)
    found = find_overlay(np.where(drawn, np.uint8(255), image)[None], FAN)
    dark = np.zeros_like(drawn)
    dark[155:325, 165:265] = True
    assert found[drawn & dark].all() and not found[200:, 280:].any()


def test_preparation_and_prediction_show_the_same_frame_without_marks(tmp_path):
    drawn, echoes = marks(FAN.shape), smooth(speckle(FAN, 6))
    frames = np.where(drawn, np.uint8(255), echoes)
    write_video(tmp_path / "a.mkv", frames, times_ms=100 * np.arange(6))
    (tmp_path / "manifest.csv").write_text("recording_id,patient_id,video,label\na,p,a.mkv,head\n")
    options = {"frame_size": (80, 100), "fan": "blank", "val_fraction": 0, "test_fraction": 0}
    prepare_recordings(RecordingsConfig(manifest=tmp_path / "manifest.csv", out=tmp_path / "data", **options))
    stored = [one["frame"].numpy()[..., 0] for one in read_split(open_dataset(tmp_path / "data"), "train")]
    view = view_of(frames, (500, 400), "none", None, "blank", 1.0).view
    shown = [prepare_image(frame, (80, 100), "pad", 1.0, view.crop, view.mask, view.marks) for frame in frames]
    np.testing.assert_array_equal(stored, shown)
    clean = [prepare_image(frame, (80, 100), mask=find_fan(echoes).mask) for frame in echoes]
    marked = [prepare_image(frame, (80, 100), mask=find_fan(echoes).mask) for frame in frames]
    error, before = (np.abs(np.stack(one).astype(float) - np.stack(clean)).max() for one in (shown, marked))
    assert error < 0.25 * before


def test_marks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="marks"):
        prepare_image(np.zeros((10, 10), np.uint8), (5, 5), marks=np.zeros((5, 5), bool))
