"""Units, rates, numbers and origins of gaze files: what fits alone is taken, the rest is refused with its cure."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.alignment import gaze_for_frames
from data.gaze.read import read_gaze
from data.gaze.report import describe_gaze
from data.gaze.table import Header, Table
from tests.data.gaze_cases import SCREEN, TIMES, plain, pro_lab, refused, write

SDK2 = "Subject\tTETTime\tXGazePosLeftEye\tYGazePosLeftEye\tXGazePosRightEye\tYGazePosRightEye\n"


@pytest.mark.parametrize(
    "text",
    [
        pro_lab(unit="", factor=1e6),
        pro_lab(unit="", factor=1e3),
        pro_lab(unit=" [μs]", factor=1e6),
        plain(0.25, 0.5, "time [s],x,y"),
        plain(0.25, 0.5, "Timestamp (ms),x,y", TIMES * 1e3),
        SDK2 + "".join(f"1\t{t * 1e3:.3f}\t.25\t.5\t.25\t.5\n" for t in TIMES),
        SDK2 + "".join(f"1\t{t * 1e6:.0f}\t.25\t.5\t.25\t.5\n" for t in TIMES),
    ],
)  # fmt: skip
def test_time_is_in_the_unit_that_is_written_or_the_only_one_that_fits(tmp_path, text):
    gaze = read_gaze(write(tmp_path, text), SCREEN if "px" in text else None)
    np.testing.assert_allclose(gaze.time_s, TIMES, atol=6e-4)
    np.testing.assert_allclose(gaze.x, 0.25)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (plain(0.5, 0.5, times=TIMES * 1e3), r"read in s.*0\.06 Hz.*in ms they would make 60 Hz"),
        (plain(0.5, 0.5, "time_ms,x,y"), r"read in ms.*60,00. Hz.*in s they would make 60 Hz"),
        (pro_lab(factor=1e6), r"read in ms.*in µs they would make 60 Hz"),
        (pro_lab(unit="", times=TIMES[0] + np.arange(20) / 5), "5 Hz.*every n-th sample"),
        (plain(0.5, 0.5, times=np.arange(50) / 3), "3 Hz.*fixations"),
        (plain(0.5, 0.5, times=np.full(50, 2.0)), "all 50 samples have one time"),
        ("time,x,y\n0,0.5,0.5\n0.02,0.5,0.5\n", "'time' has no unit: name it time_s"),
    ],
)
def test_a_rate_that_no_tracker_has_is_refused_with_the_likely_unit(tmp_path, text, words):
    refused(write(tmp_path, text), words, screen_px=SCREEN)


def test_fixations_are_not_samples(tmp_path):
    head = "MEDIA_ID,TIME(2024/01/01),FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,BPOGX,BPOGY,BPOGV\n"
    rows = "".join(f"0,{0.3 + 0.5 * i},0.4,0.5,{0.5 * i},0.3,{i + 1},1,0.4,0.5,1\n" for i in range(8))
    refused(write(tmp_path, head + rows), "FPOGID never repeats.*User N_all_gaze.csv")


def test_a_fixation_covers_the_frames_that_it_lasts(tmp_path):
    text = "start_ms,duration_ms,x,y\n100,200,0.2,0.3\n330,100,0.8,0.9\n"
    gaze = read_gaze(write(tmp_path, text))
    assert gaze.fixations and gaze.format == "fixations"
    found = gaze_for_frames(gaze, np.arange(6) / 10, video_px=(9, 9))
    assert [sorted(set(x.tolist())) for x in found.x] == [[], [0.2], [0.2], [0.8], [0.8], []]
    # 200 ms are 20 samples and 100 ms are 10: dwell times weigh as they were.
    assert (len(np.concatenate(found.x)), found.interpolated) == (30, 0)
    refused(write(tmp_path, text + "400,10,0.1,0.1\n"), "row 4 begins at 0.4 s, before the fixation above")
    refused(write(tmp_path, text.replace(",200,", ",200000,")), "a fixation of 200 s: correct the unit")
    refused(
        write(tmp_path, "start_ms,duration_ms,x,y\n0.1,0.2,0.2,0.3\n0.33,0.1,0.8,0.9\n"),
        "0.00015 s, the median: correct",
    )
    seconds = "time_s,duration_s,x,y\n0.1,0.2,0.2,0.3\n0.33,0.1,0.8,0.9\n"
    np.testing.assert_allclose(read_gaze(write(tmp_path, seconds)).time_s, gaze.time_s)
    report = "\t".join(f"CURRENT_FIX_{name}" for name in ("START", "DURATION", "X", "Y"))
    report += "\n100\t200\t384\t324\n330\t100\t1536\t972\n"
    np.testing.assert_allclose(read_gaze(write(tmp_path, report), SCREEN).x, gaze.x)


@pytest.mark.parametrize("missing", ["200,150,,,1", "200,150,0.5,0.5,0"])
def test_a_fixation_without_a_position_is_no_short_gap_to_be_filled(tmp_path, missing):
    """Once its samples were, on a straight line between the fixations around it."""
    text = f"start_ms,duration_ms,x,y,valid\n0,200,0.2,0.2,1\n{missing}\n350,200,0.8,0.8,1\n"
    found = gaze_for_frames(read_gaze(write(tmp_path, text)), np.arange(11) / 20, video_px=(9, 9))
    assert [sorted(set(x.tolist())) for x in found.x] == [[0.2]] * 4 + [[]] * 3 + [[0.8]] * 4
    assert found.interpolated == 0


def test_a_fixation_report_may_be_normalised(tmp_path):
    """As GazeMedSeg publishes it: Data Viewer's columns, shares of the image, no screen."""
    text = "IMAGE,CURRENT_FIX_INDEX,CURRENT_FIX_START,CURRENT_FIX_DURATION,CURRENT_FIX_X,CURRENT_FIX_Y\n"
    text += "a.jpg,1,7,300,0.4826,0.4542\na.jpg,2,512,100,,\nb.jpg,1,5,200,1.02,-0.01\n"
    gaze = read_gaze(write(tmp_path, text), gaze_recording="a.jpg")
    assert gaze.fixations and set(gaze.x[gaze.valid]) == {0.4826} and set(gaze.y[gaze.valid]) == {0.4542}
    pixels = write(tmp_path, text.replace("0.4826", "926.6").replace("0.4542", "490.5"))
    refused(pixels, "screen", gaze_recording="a.jpg")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["998,5", "1.056,5", "1.100,25"], [998.5, 1056.5, 1100.25]),
        (["998.5", "1,056.5", "1,100.25"], [998.5, 1056.5, 1100.25]),
        (["998,25", "1056,125", "960,123"], [998.25, 1056.125, 960.123]),
        (["960,123", "961,500", "999,001"], [960.123, 961.5, 999.001]),
        (["998.5", "1,056", "1,100"], [998.5, 1056, 1100]),
        (["998", "1\u202f056,5", "1100,25"], [998, 1056.5, 1100.25]),
    ],
)
def test_thousands_and_decimals_are_told_apart_by_the_other_cells(tmp_path, cells, expected):
    rows = "".join(f"{i * 16}\t{cell}\t500\n" for i, cell in enumerate(cells))
    path = write(tmp_path, "time_ms\tx_px\ty_px\n" + rows)
    np.testing.assert_allclose(read_gaze(path, (2000, 1000)).x * 2000, expected)


@pytest.mark.parametrize("cells", [["998", "1,056", "1,100"], ["998", "1.056", "1.100"]])
def test_a_number_that_is_a_thousand_times_more_elsewhere_is_refused(tmp_path, cells):
    rows = "".join(f"{i * 16}\t{cell}\t500\n" for i, cell in enumerate(cells))
    path = write(tmp_path, "time_ms\tx_px\ty_px\n" + rows)
    refused(path, "may be 1056 or 1.056: export the numbers without thousands separators", screen_px=(2000, 1000))


def test_a_clock_with_commas_beside_coordinates_with_points(tmp_path):
    head = "time_ms;x_px;y_px\n"
    rows = "".join(f"{i * 16},{i % 10}7;{576.25 + i};500.125\n" for i in range(9))
    gaze = read_gaze(write(tmp_path, head + rows), (2000, 1000))
    np.testing.assert_allclose(gaze.x * 2000, 576.25 + np.arange(9))
    np.testing.assert_allclose(gaze.y, 0.500125)
    np.testing.assert_allclose(gaze.time_s[1], 0.01617)
    # Within one column nothing tells which is the decimal sign, nor beside whole numbers whether a point is.
    for cells, words in (
        (("576.25", "1.056,5", "998,5"), "'576.25' may be 57625 or 576.25"),
        (("1,056.5", "998,5", "576,25"), "'1,056.5' may be 1056.5 or 1.0565"),
        (("998", "1,056", "576"), "'1,056' may be 1056 or 1.056"),
    ):
        rows = "".join(f"{i * 16},17;{cell};500\n" for i, cell in enumerate(cells))
        refused(write(tmp_path, head + rows.replace("500", "500.5")), words, screen_px=(2000, 1000))
    rows = "".join(f"{i * 16},17;{x};500.5\n" for i, x in enumerate(("998,5", "1.056", "1.056,5")))
    np.testing.assert_allclose(read_gaze(write(tmp_path, head + rows), (2000, 1000)).x * 2000, [998.5, 1056, 1056.5])
    rows = "".join(f"{i * 16},17;{x};500.25\n" for i, x in enumerate(("998", "1.056", "997")))
    refused(write(tmp_path, head + rows), "'1.056' may be 1056 or 1.056", screen_px=(2000, 1000))


def gazepoint(mark) -> str:
    rows = [f"{t:.5f},0.25,0.5,1,{mark if i == 3 else ''}" for i, t in enumerate(TIMES)]
    return "\n".join(["TIME(2024/01/01 10:00:00.000),BPOGX,BPOGY,BPOGV,USER", *rows]) + "\n"


@pytest.mark.parametrize("word", ["2,5", "12,75", "1,056", "1,2,3"])
def test_a_comma_in_a_name_or_an_event_says_nothing_of_numbers(tmp_path, word):
    rows = "".join(f"{t * 1e3:.0f};480.25;540.50;{word}\n" for t in TIMES)
    media = read_gaze(write(tmp_path, "time_ms;x_px;y_px;image\n" + rows), SCREEN)
    user = read_gaze(write(tmp_path, gazepoint(f'"{word}"')))
    lab = pro_lab(**{"Event value": ""}).replace("\t480\t540", "\t480.25\t540.5")
    lab = lab.replace("Recording1\t\t", f"Recording1\t{word}\t", 1)
    event = read_gaze(write(tmp_path, lab), SCREEN)
    for gaze, x in ((media, 480.25 / 1920), (user, 0.25), (event, 480.25 / 1920)):
        np.testing.assert_allclose(gaze.x, x)
    np.testing.assert_allclose(user.time_s, TIMES, atol=1e-5)
    assert [text.text for text in user.events] == [word]


def test_gaze_in_other_systems_than_the_screens_pixels(tmp_path):
    for system in ("DACS mm", "MCS px", "MCS norm"):
        refused(write(tmp_path, pro_lab().replace("DACS px", system)), f"'{system.lower()}' only.*DACS px")
    shares = pro_lab().replace("DACS px", "DACS norm").replace("480\t540", "0.25\t0.5")
    np.testing.assert_allclose(read_gaze(write(tmp_path, shares)).x, 0.25)


def test_points_with_the_origin_in_the_centre_are_refused(tmp_path):
    angle = np.linspace(0, 6, 120)
    for radius in (0.3, 1.0):
        path = write(tmp_path, plain(radius * np.sin(angle), radius * np.cos(angle)))
        refused(path, "origin seems to be in the centre, with y upwards")
    pixels = plain(500 * np.sin(angle), 300 * np.cos(angle), "time_s,x_px,y_px")
    refused(write(tmp_path, pixels), "origin seems to be in the centre", screen_px=SCREEN)
    # A tenth of the time on the keyboard is no other origin.
    x = np.where(np.arange(120) % 10 == 0, -0.2, 0.4)
    assert read_gaze(write(tmp_path, plain(x, 0.5))).valid.all()
    # Nor are looks at the upper edge, which the tracker's error puts above it.
    y = 0.02 + 0.06 * np.sin(20 * angle)
    assert (y < 0).mean() > 0.25
    assert read_gaze(write(tmp_path, plain(0.7 + 0.2 * np.cos(angle), y))).valid.all()


@pytest.mark.parametrize("code", [0, -1])
def test_lost_gaze_that_is_written_as_a_point_is_refused(tmp_path, code):
    lost = np.arange(120) % 10 == 0
    x, y = np.where(lost, code, 0.4), np.where(lost, code, 0.5)
    refused(write(tmp_path, plain(x, y)), f"12 of 120 points are exactly {code},{code}.*leave lost samples empty")
    pixels = plain(np.where(lost, code, 400), np.where(lost, code, 500), "time_s,x_px,y_px")
    refused(write(tmp_path, pixels), "12 of 120 points.*add a column valid with 0", screen_px=SCREEN)
    flags = plain(x, [f"{b},{int(not gone)}" for b, gone in zip(y, lost)], "time_s,x,y,valid")
    gaze = read_gaze(write(tmp_path, flags))
    np.testing.assert_array_equal(gaze.valid, ~lost)
    # Somebody may look at the corner now and then.
    corner = np.where(np.arange(120) < 2, 0.0, 0.4)
    assert read_gaze(write(tmp_path, plain(corner, corner))).valid.all()


@pytest.mark.parametrize(
    "name", ["validity", "confidence", "Left Validity", "validity_right", "is_valid", "gaze valid"]
)
def test_a_validity_of_another_name_is_not_ignored(tmp_path, name):
    path = write(tmp_path, plain(0.25, "0.5,0", f"time_s,x,y,{name}"))
    refused(path, f"column '{name.lower()}' is not read in this format: add a column named valid")
    assert read_gaze(write(tmp_path, plain(0.25, "0.5,0,1", f"time_s,x,y,{name},valid"))).valid.all()


def test_percent_and_pixels_are_named(tmp_path):
    refused(write(tmp_path, plain(51.0, 40.0)), r"look like percent \(divide by 100\)")
    refused(write(tmp_path, plain(640.0, 360.0)), r"look like pixels \(name them x_px and y_px\)")


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        (
            "gaze_timestamp,confidence,norm_pos_x,norm_pos_y\n" + "".join(f"{t:.4f},.9,.5,.4\n" for t in TIMES),
            "Pupil Player",
        ),
        (
            "recording id,timestamp [ns],gaze x [px],gaze y [px],worn\n"
            + "".join(f"r,{t * 1e9:.0f},800,600,1.0\n" for t in TIMES),
            "Neon",
        ),
        (pro_lab(**{"Gyro X": "1", "Accelerometer X": "2"}), "glasses"),
        (pro_lab(**{"Sensor": "Eye Tracker", "Gyro X [°/s]": ""}) + "9\tP01\tRecording1\tGyro\t2\t\t\n", "glasses"),
    ],
)  # fmt: skip
def test_gaze_in_a_scene_camera_is_described_and_not_used(tmp_path, text, tool):
    path = write(tmp_path, text)
    refused(path, f"{tool}.*scene camera's picture.*map gaze to the screen first", screen_px=SCREEN)
    assert "map it to the screen first" in describe_gaze(path)["place"]


def test_columns_of_glasses_may_be_empty(tmp_path):
    columns = ("Gyro X [deg/s]", "Gaze point 3D X [HUCS mm]", "Assisted mapping gaze X [Image]")
    assert read_gaze(write(tmp_path, pro_lab(**dict.fromkeys(columns, ""))), SCREEN).valid.all()


def test_a_surface_of_pupil_core_has_its_origin_at_the_bottom_left(tmp_path):
    text = "gaze_timestamp,x_norm,y_norm,on_surf,confidence\n"
    rows = "".join(f"{t:.4f},0.2,0.9,True,{c}\n" for t, c in zip(TIMES, [0.3, *[0.9] * 119]))
    gaze = read_gaze(write(tmp_path, text + rows))
    np.testing.assert_allclose((gaze.x[1], gaze.y[1]), (0.2, 0.1))
    assert not gaze.valid[0] and gaze.valid[1:].all()


@pytest.mark.parametrize("unit", ["10ms", "ms/2", "100 µs"])
def test_a_multiple_of_a_unit_is_no_unit(tmp_path, unit):
    refused(write(tmp_path, pro_lab(unit=f" [{unit}]", factor=1e3)), "is no unit of time", screen_px=SCREEN)


def test_pixels_that_are_none(tmp_path):
    for cells in ((0.25, 0.5), ("1.056", "540")):
        path = write(tmp_path, plain(*cells, header="time_s,x_px,y_px"))
        refused(path, "x is in pixels and reaches .*, so it is normalised", screen_px=SCREEN)


def test_thousands_with_a_point_beside_a_clock_with_decimals(tmp_path):
    wide = np.where(np.arange(120) % 2, "998", "1.056")
    refused(write(tmp_path, plain(wide, "540", "time_s,x_px,y_px")), "may be 1056 or 1.056", screen_px=SCREEN)


def column(texts, **options):
    """Its numbers, of a table that has no other column."""
    table = Table(Path("gaze.csv"), Header(["x"]), list(range(2, len(texts) + 2)), {"x": list(texts)})
    return table.numbers("x", **options)


def test_a_column_is_read_at_once_as_it_is_cell_by_cell():
    """A cell in another notation makes the whole column be read cell by cell: the others come out the same."""
    rng = np.random.default_rng(0)
    texts = [repr(value) for value in rng.normal(0, 10.0 ** rng.integers(-3, 6, 200)).tolist()]
    at_once, one_by_one = column(texts), column([*texts, "1.#QNAN"], nan_where=np.arange(201) == 200)
    np.testing.assert_array_equal(at_once, [float(text) for text in texts])
    np.testing.assert_array_equal(one_by_one[:-1], at_once)
    np.testing.assert_array_equal(column(["0.5", "", "2"], empty=True), [0.5, np.nan, 2])
    np.testing.assert_array_equal(column(["0.5", "-1", ""], empty=True, missing=("-1",)), [0.5, np.nan, np.nan])
    for texts, row in ((["0.5", "1_000"], 3), (["1e20", "0.5"], 2), (["0.5", "inf"], 3), (["0.5", ""], 3)):
        with pytest.raises(InputError, match=f"row {row}"):
            column(texts)
