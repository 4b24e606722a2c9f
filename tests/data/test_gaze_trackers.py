"""What single trackers write, held against hand-written files and another reader."""

import numpy as np
import pytest

from data.gaze.read import read_gaze
from data.gaze.report import describe_gaze, gaze_command
from tests.data.gaze_cases import FORMATS, SCREEN, TIMES, refused, write


def test_eyelink_with_two_eyes_blocks_and_messages(tmp_path):
    text = FORMATS["EyeLink ASC"].example(TIMES, np.full(120, 0.25), np.full(120, 0.5), SCREEN)
    gaze = read_gaze(write(tmp_path, text, "a.asc"))
    assert gaze.screen_px == SCREEN
    assert [(round(event.time_s, 3), event.text) for event in gaze.events] == [(2.0, "VIDEO_START clip.mp4")]
    two = [
        "START\t2000 \tLEFT\tRIGHT\tSAMPLES",
        "SAMPLES\tGAZE\tLEFT\tRIGHT\tRATE\t500.00",
        "2000\t100.0\t200.0\t900.0\t300.0\t400.0\t900.0\t.....",
        "2002\t.\t.\t0.0\t300.0\t400.0\t900.0\t.....",
        "EFIX L 2000 2002 2 100.0 200.0 900",
        "2004\t.\t.\t0.0\t.\t.\t0.0\t.....",
        "END\t2005 \tSAMPLES",
    ]
    gaze = read_gaze(write(tmp_path, "\n".join(two), "b.asc"), (1000, 1000))
    np.testing.assert_allclose(gaze.x, [0.2, 0.3, np.nan])
    np.testing.assert_allclose(gaze.y, [0.3, 0.4, np.nan])
    refused(write(tmp_path, "\n".join(two).replace("GAZE", "HREF")), "head reference", screen_px=(9, 9))
    refused(write(tmp_path, "** CONVERTED FROM a.edf\nMSG\t1 x\n"), "without samples")
    refused(
        write(tmp_path, "\n".join(two).replace("300.0", "3x")), "row 3: '3x' is no sample of EyeLink", screen_px=(9, 9)
    )


@pytest.mark.parametrize(
    ("origin", "between"), [((-960, -540), " "), ((0, 0), ", "), ((100.0, 0.0), "\t"), ((-960, -540), "   ")]
)
def test_the_display_of_an_eyelink_begins_where_its_message_says(tmp_path, origin, between):
    text = FORMATS["EyeLink ASC"].example(TIMES, np.full(120, 0.25), np.full(120, 0.5), SCREEN)
    left, top = origin
    sides = between.join(map(str, (left, top, left + 1919, top + 1079)))
    text = text.replace("0 0 1919 1079", sides).replace("480.0000\t540.0000", f"{480 + left}\t{540 + top}")
    gaze = read_gaze(write(tmp_path, text, "a.asc"))
    assert gaze.screen_px == SCREEN
    np.testing.assert_allclose((gaze.x, gaze.y), np.repeat([[0.25], [0.5]], 120, axis=1))
    moved = f"{text}MSG\t4100 GAZE_COORDS {left + 1} {top} {left + 1920} {top + 1079}\n"
    refused(write(tmp_path, moved, "b.asc"), "pixels from .* before it was a display of 1920x1080 pixels from")


def test_eyelink_as_pymovements_reads_it(tmp_path):
    pymovements = pytest.importorskip("pymovements", reason="the other reader is not installed")
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.1, 0.9, (2, 120)).round(3)
    x[40:50] = y[40:50] = np.nan
    asc = write(tmp_path, FORMATS["EyeLink ASC"].example(TIMES, x, y, SCREEN), "a.asc")
    frame = pymovements.gaze.from_asc(asc).samples
    gaze = read_gaze(asc)
    pixel = np.array(frame["pixel"].to_list(), float)
    np.testing.assert_allclose(gaze.time_s * 1e3, frame["time"].to_numpy())
    np.testing.assert_allclose(gaze.x * 1920, pixel[:, 0], atol=1e-3)
    np.testing.assert_allclose(gaze.y * 1080, pixel[:, 1], atol=1e-3)


def test_smi_of_both_generations(tmp_path):
    text = FORMATS["SMI BeGaze"].example(TIMES, np.full(120, 0.25), np.full(120, 0.5), SCREEN)
    gaze = read_gaze(write(tmp_path, text))
    assert gaze.screen_px == SCREEN and gaze.events[0].text == "# Message: clip.avi"
    text = text.replace("L Dia X [px]", "Ratio").replace("# Message: clip.avi", "# Message: at 1,056 ms")
    assert [event.text for event in read_gaze(write(tmp_path, text)).events] == ["# Message: at 1,056 ms"]
    newer = "RecordingTime [ms],Category Group,Participant,Point of Regard Right X [px],Point of Regard Right Y [px]\n"
    newer += "".join(f"{t * 1e3:.1f},Eye,P1,{'-' if i == 3 else 480},540\n" for i, t in enumerate(TIMES))
    newer += "4000.0,Information,P1,-,-\n"
    gaze = read_gaze(write(tmp_path, newer), SCREEN)
    np.testing.assert_allclose(gaze.time_s, TIMES, atol=1e-4)
    assert gaze.valid.sum() == 119 and gaze.x[0] == 0.25


def test_streams_of_titta_and_of_a_system_clock_alone(tmp_path):
    for clock, valid in (("system_time_stamp", "validity"), ("device_time_stamp", "valid")):
        eyes = [
            f"{e}_gaze_point_{n}" for e in ("left", "right") for n in ("on_display_area_x", "on_display_area_y", valid)
        ]
        rows = "".join(f"{t * 1e6:.0f}\t.2\t.5\t1\t.3\t.5\tTrue\n" for t in TIMES)
        gaze = read_gaze(write(tmp_path, "\t".join([clock, *eyes]) + "\n" + rows))
        np.testing.assert_allclose(gaze.time_s, TIMES, atol=1e-6)
        np.testing.assert_allclose(gaze.x, 0.25)


def test_the_relative_clock_of_i2mc(tmp_path):
    rows = "".join(f"{t * 1e6:.0f}\t.25\t.5\t0\t.25\t.5\t{4 * (i == 2)}\n" for i, t in enumerate(TIMES))
    text = "RelTimestamp\tLGazePos2dx\tLGazePos2dy\tLValidity\tRGazePos2dx\tRGazePos2dy\tRValidity\n" + rows
    np.testing.assert_allclose(read_gaze(write(tmp_path, text)).time_s, TIMES, atol=1e-6)


def test_event_rows_are_listed_with_their_times(tmp_path, capsys):
    marks = {
        "Tobii Pro Lab TSV": "VideoStimulusStart clip.mp4",
        "Tobii Studio 3 TSV": "MovieStart clip.avi",
        "iMotions": "StartMedia",
        "Gazepoint CSV": "SYNC",
    }
    for name, text in marks.items():
        half = np.full(120, 0.5)
        path = write(tmp_path, FORMATS[name].example(TIMES, half, half, SCREEN))
        events = describe_gaze(path, SCREEN)["events"]
        assert [event["text"] for event in events] == [text], name
        assert abs(events[0]["time_s"] - TIMES[0]) <= 0.02
        gaze_command([path], screen_px=SCREEN)
        assert text in capsys.readouterr().out
