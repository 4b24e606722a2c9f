"""Gaze lands on the frame that was shown, at the place that was looked at."""

import json

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.alignment import fill_short_gaps, gaze_for_frames, screen_to_frame
from data.gaze.read import GazeRecording, read_gaze
from data.gaze.report import describe_gaze, gaze_command
from data.gaze.writer import write_tobii_sdk_stream


def recording(time_s, x, y, valid=None, screen_px=None) -> GazeRecording:
    time_s, x, y = (np.array(values, np.float64) for values in (time_s, x, y))
    valid = np.isfinite(x) if valid is None else np.array(valid, bool)
    x[~valid] = y[~valid] = np.nan
    return GazeRecording("gaze.csv", "test", len(x), time_s, x, y, valid, screen_px)


# --- geometry -----------------------------------------------------------------------------------


def test_no_box_or_the_whole_box_changes_nothing():
    x, y = np.array([0.0, 0.3, 1.2]), np.array([1.0, 0.6, -0.4])
    size = {"screen_px": (1920, 1080), "video_px": (1024, 768)}
    for boxes in ({}, {"image_box_px": (0, 0, 1920, 1080), "crop_px": (0, 0, 1024, 768)}):
        found = screen_to_frame(x, y, **size, **boxes)
        np.testing.assert_allclose(found, [x, y], atol=1e-15)


def test_what_lights_up_on_the_screen_is_what_is_found_in_the_frame():
    """Both boxes, against pictures: a spot of the video is shown, looked at, and cropped."""
    spot_row, spot_column = 37, 81
    video = np.zeros((96, 128))
    video[spot_row, spot_column] = 1
    left, top, width, height = 40, 20, 60, 50  # crop, video pixels
    frame = video[top : top + height, left : left + width]
    # A viewer enlarges the crop three times and puts it at (70, 90); its own menus surround it.
    screen = np.zeros((400, 640))
    screen[90 : 90 + 3 * height, 70 : 70 + 3 * width] = np.kron(frame, np.ones((3, 3)))
    looked_at = np.argwhere(screen).mean(axis=0) + 0.5
    x, y = screen_to_frame(
        np.array([looked_at[1] / 640]),
        np.array([looked_at[0] / 400]),
        screen_px=(640, 400),
        video_px=(128, 96),
        image_box_px=(70, 90, 3 * width, 3 * height),
        crop_px=(left, top, width, height),
    )
    row, column = np.argwhere(frame)[0]
    np.testing.assert_allclose([x[0] * width, y[0] * height], [column + 0.5, row + 0.5], atol=1e-9)


def test_corners_of_the_image_box_are_corners_of_the_frame_with_any_crop():
    screen_x, screen_y = np.array([100, 612, 356, 0]) / 1920, np.array([50, 434, 242, 0]) / 1080
    for crop in (None, (0, 0, 1024, 768), (200, 100, 600, 600)):
        x, y = screen_to_frame(
            screen_x,
            screen_y,
            screen_px=(1920, 1080),
            video_px=(1024, 768),
            image_box_px=(100, 50, 512, 384),
            crop_px=crop,
        )
        np.testing.assert_allclose(x, [0, 1, 0.5, -100 / 512], atol=1e-12)
        np.testing.assert_allclose(y, [0, 1, 0.5, -50 / 384], atol=1e-12)


def test_without_an_image_box_the_video_picture_fills_the_screen():
    # The crop's corners and middle, as shares of the 1024x768 picture; no size of screen is needed.
    x, y = screen_to_frame(
        np.array([200, 800, 500]) / 1024,
        np.array([100, 700, 400]) / 768,
        screen_px=None,
        video_px=(1024, 768),
        crop_px=(200, 100, 600, 600),
    )
    np.testing.assert_allclose(x, [0, 1, 0.5], atol=1e-12)
    np.testing.assert_allclose(y, [0, 1, 0.5], atol=1e-12)


def test_geometry_does_not_depend_on_the_pixel_size():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(2, 50))
    for boxes in ({"image_box_px": (10, 20, 300, 200)}, {"crop_px": (30, 40, 100, 90)}):
        once = screen_to_frame(x, y, screen_px=(640, 480), video_px=(320, 240), **boxes)
        doubled = {name: tuple(2 * side for side in box) for name, box in boxes.items()}
        twice = screen_to_frame(x, y, screen_px=(1280, 960), video_px=(640, 480), **doubled)
        np.testing.assert_allclose(once, twice, atol=1e-12)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"image_box_px": (0, 0, 0, 10)}, "image_box_px 0,0,0,10: must be x,y,width,height"),
        ({"image_box_px": (1000, 0, 1000, 10)}, "image_box_px.*outside the screen of 1920,1080"),
        ({"crop_px": (0, 0, 641, 10)}, "crop_px.*outside the video picture of 640,480"),
        ({"image_box_px": (0, 0, 9, 9), "crop_px": (0, 0, 641, 10)}, "crop_px.*outside the video picture"),
        ({"crop_px": (-1, 0, 64, 10)}, "crop_px"),
        ({"crop_px": (0, np.nan, 64, 10)}, "crop_px"),
    ],
)
def test_impossible_boxes(boxes, message):
    with pytest.raises(InputError, match=message):
        screen_to_frame(np.zeros(1), np.zeros(1), screen_px=(1920, 1080), video_px=(640, 480), **boxes)


def test_a_box_on_a_screen_of_unknown_size():
    with pytest.raises(InputError, match=r"gaze.csv: image_box_px.*screen_width_px,screen_height_px"):
        gaze_for_frames(
            recording([0.0], [0.5], [0.5]), np.array([0.0, 0.1]), video_px=(64, 48), image_box_px=(0, 0, 9, 9)
        )


# --- time ---------------------------------------------------------------------------------------


def test_samples_to_frames_as_a_plain_loop_does_it():
    rng = np.random.default_rng(1)
    # Frames of uneven length, from a time that is not 0; a tracker that restarts its clock.
    frame_times = 3.0 + np.cumsum(rng.uniform(0.02, 0.06, 60))
    time_s = np.concatenate([500.0 + np.arange(220) / 90, 470.0 + np.arange(80) / 90])
    x, y = rng.uniform(-0.2, 1.2, (2, 300))
    valid = rng.uniform(size=300) > 0.3
    offset, last = 500.3, 0.04
    found = gaze_for_frames(
        recording(time_s, x, y, valid),
        frame_times,
        video_px=(100, 80),
        crop_px=(10, 20, 60, 50),
        gaze_offset_s=offset,
        max_gap_s=0.0,
        last_frame_duration_s=last,
    )
    starts = [*frame_times, frame_times[-1] + last]
    seen = 0
    for i in range(60):
        expected = []
        for t, px, py, ok in zip(time_s, x, y, valid):
            t = t - offset + frame_times[0]
            if starts[i] <= t < starts[i + 1] and ok:
                fx, fy = (px * 100 - 10) / 60, (py * 80 - 20) / 50
                if 0 <= fx <= 1 and 0 <= fy <= 1:
                    expected.append((fx, fy))
        np.testing.assert_allclose(np.stack([found.x[i], found.y[i]], 1), np.reshape(expected, (-1, 2)))
        seen += len(expected)
    assert seen > 20 and found.clock_jumps == 1
    assert found.samples + found.outside_video == 300
    assert found.samples == found.valid + found.interpolated + found.missing
    assert found.valid + found.interpolated == seen + found.off_image
    assert found.counts["off_image"] == found.off_image and "x" not in found.counts


def test_moving_the_tracker_clock_and_the_offset_together_changes_nothing():
    rng = np.random.default_rng(2)
    time_s, frame_times = np.arange(90) / 90, np.arange(30) / 30
    x, y = rng.uniform(size=(2, 90))
    here = gaze_for_frames(recording(time_s + 1 / 256, x, y), frame_times, video_px=(9, 9))
    there = gaze_for_frames(
        recording(time_s + 1 / 256 + 4096, x, y), frame_times + 8, video_px=(9, 9), gaze_offset_s=4096.0
    )
    assert here.counts == there.counts and here.valid == 90 - here.outside_video
    for a, b in zip(here.x, there.x):
        np.testing.assert_array_equal(a, b)
    assert {len(points) for points in here.x} <= {2, 3, 4}


def test_a_sample_at_a_frames_first_moment_is_of_that_frame():
    gaze = recording([0.0, 0.24, 0.25, 0.49, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5], [0.5] * 5)
    found = gaze_for_frames(gaze, np.array([0.0, 0.25]), video_px=(9, 9))
    assert [list(points) for points in found.x] == [[0.1, 0.2], [0.3, 0.4]]
    assert found.outside_video == 1


@pytest.mark.parametrize("decimals", [3, 6, 12])
@pytest.mark.parametrize("offset_s", [0.0, 100.0, 1234.5])
@pytest.mark.parametrize(("fps", "clock"), [(25, 1 / 12800), (30, 1 / 15360), (30, 1e-3), (500, 1e-3)])
def test_a_sample_taken_when_a_frame_came_is_of_that_frame_however_both_are_rounded(fps, clock, offset_s, decimals):
    """One sample a frame: rounding and the differences of floats may not move it to the frame before."""
    true_s, x = np.arange(100) / fps, (np.arange(100) + 0.5) / 100
    time_s = np.array([float(f"{t:.{decimals}f}") for t in offset_s + true_s])
    frame_times = np.rint(true_s / clock) * clock
    found = gaze_for_frames(recording(time_s, x, x), frame_times, video_px=(9, 9), gaze_offset_s=offset_s)
    assert [points.tolist() for points in found.x] == [[at] for at in x]
    assert found.outside_video == 0


@pytest.mark.parametrize("late_s", [2e-6, 1e-3])
def test_a_sample_before_a_frame_by_more_than_rounding_is_of_the_frame_before(late_s):
    """Clocks of microseconds and of milliseconds: one tick before the frame is before the frame."""
    found = gaze_for_frames(
        recording(7 + np.arange(10) / 25 - late_s, np.full(10, 0.5), np.full(10, 0.5)),
        np.arange(10) / 25,
        video_px=(9, 9),
        gaze_offset_s=7.0,
    )
    assert [len(points) for points in found.x] == [1] * 9 + [0] and found.outside_video == 1


def test_a_single_image_takes_all_gaze():
    found = gaze_for_frames(recording([5.0, 6.0, 90.0], [0.1, 0.2, 0.3], [0.5] * 3), [0.0], video_px=(9, 9))
    assert len(found.x) == 1 and len(found.x[0]) == 3


# --- gaps ---------------------------------------------------------------------------------------


def test_gap_of_exactly_210_ms_is_filled_and_a_longer_one_is_not():
    for extra_s, filled in ((0.0, 2), (0.001, 0)):
        for start_s in (0.0, 0.1, 1_448_373_364.122185):
            time_s = start_s + np.array([0.0, 0.07, 0.14, 0.21 + extra_s])
            gaze = recording(time_s, [0.2, np.nan, np.nan, 0.5], [0.8, np.nan, np.nan, 0.2])
            assert fill_short_gaps(gaze)[2].sum() == filled
            found = gaze_for_frames(gaze, np.array([0.0, 1.0]), video_px=(9, 9), gaze_offset_s=start_s)
            assert (found.interpolated, found.missing, found.gaps) == (filled, 2 - filled, int(not filled))


def test_filling_restores_straight_movement_at_the_samples_own_times():
    rng = np.random.default_rng(4)
    time_s = np.sort(rng.uniform(0, 2, 200))
    x, y = 0.1 + 0.3 * time_s, 0.9 - 0.2 * time_s
    valid = rng.uniform(size=200) > 0.4
    gaze = recording(time_s, x, y, valid)
    found_x, found_y, filled = fill_short_gaps(gaze)
    np.testing.assert_allclose(found_x[filled | valid], x[filled | valid], atol=1e-12)
    np.testing.assert_allclose(found_y[filled | valid], y[filled | valid], atol=1e-12)
    assert filled.sum() > 50 and not (filled & valid).any()
    assert np.isnan(found_x[~(filled | valid)]).all()
    first, last = np.flatnonzero(valid)[[0, -1]]
    assert not filled[:first].any() and not filled[last:].any()


def test_nothing_is_filled_across_a_clock_jump():
    gaze = recording([1.0, 1.01, 0.99, 1.0], [0.1, np.nan, np.nan, 0.2], [0.5] * 4)
    assert not fill_short_gaps(gaze)[2].any()


def test_repeated_timestamps_around_a_missing_sample():
    x, _, filled = fill_short_gaps(recording([1.0, 1.0, 1.0], [0.1, np.nan, 0.3], [0.5] * 3))
    assert filled.tolist() == [False, True, False] and x[1] == 0.1


# --- errors and report ----------------------------------------------------------------------------


def test_gaze_that_does_not_overlap_tells_both_ranges():
    gaze = recording(100 + np.arange(10) / 10, np.full(10, 0.5), np.full(10, 0.5))
    with pytest.raises(InputError, match=r"100\.000 to 100\.900 s.*0\.000 to 2\.000 s.*gaze_offset_s.*\(100\.000"):
        gaze_for_frames(gaze, np.array([0.0, 1.0]), video_px=(9, 9))
    blind = recording(np.arange(10) / 10, np.full(10, np.nan), np.full(10, np.nan))
    with pytest.raises(InputError, match="not one of its 10 samples has gaze"):
        gaze_for_frames(blind, np.array([0.0, 1.0]), video_px=(9, 9))
    late = recording(np.arange(60) / 10, np.full(60, 0.5), np.full(60, 0.5), np.arange(60) > 40)
    with pytest.raises(InputError, match="none of the 20 samples in that time has gaze"):
        gaze_for_frames(late, np.array([0.0, 1.0]), video_px=(9, 9))


@pytest.mark.parametrize("frame_times", [[], [1.0, 0.5], [0.0, np.nan]])
def test_impossible_frame_times(frame_times):
    with pytest.raises(ValueError, match="ascending"):
        gaze_for_frames(recording([0.0], [0.5], [0.5]), np.array(frame_times), video_px=(9, 9))


def test_command_prints_a_table_and_json(tmp_path, capsys):
    path = tmp_path / "gaze.csv"
    write_tobii_sdk_stream(path, np.arange(90) / 90, *np.full((2, 90), 0.5), np.arange(90) != 3)
    gaze_command([path, path], json=True)
    rows = json.loads(capsys.readouterr().out)
    assert rows == [describe_gaze(path)] * 2
    assert rows[0]["samples_with_gaze"] == 89 and rows[0]["rate_hz"] == pytest.approx(90, abs=0.01)
    with pytest.raises(InputError, match=r"no_gaze\.csv"):
        gaze_command([tmp_path / "no_gaze.csv", path, tmp_path / "nor_here.csv"], json=True)
    given = capsys.readouterr()
    assert json.loads(given.out) == rows[:1], "one that can't be read hides none of the others"
    assert "nor_here.csv" in given.err and given.err.count("\n") == 1
    gaze_command([path])
    shown = capsys.readouterr().out
    assert "Tobii Pro SDK stream" in shown and "gaze.csv" in shown and "89" in shown
    assert read_gaze(path).valid.sum() == 89
