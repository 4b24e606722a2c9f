"""Every format reads to the samples that were written, and every bad cell is named."""

import os
from pathlib import Path

import numpy as np
import pytest

import data.gaze.formats
from common.errors import InputError
from data.gaze.clock import clock_jumps
from data.gaze.formats import gaze_formats
from data.gaze.read import gaps, read_gaze, read_gaze_as_is
from data.gaze.report import describe_gaze
from data.gaze.writer import write_tobii_sdk_stream
from tests.data.gaze_files import FILES, SCREEN, TIMES, X, Y, pro_sdk_stream, studio_3


def write(folder: Path, text: str, name: str = "gaze.txt", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def real(name: str) -> Path:
    folder = os.environ.get("GAZE_RECORDINGS_DIR")
    if not folder:
        pytest.skip("real gaze files: GAZE_RECORDINGS_DIR is not set")
    return Path(folder) / name


# --- real files -----------------------------------------------------------------------------


def test_real_sdk_stream_has_its_known_counts_and_lies_on_its_known_target():
    path = real("tobii_pro_sdk_90hz/fixation_a.csv")
    gaze = read_gaze(path)
    found = describe_gaze(path)
    assert found["format"] == "Tobii Pro SDK stream"
    assert (found["rows"], found["samples_with_gaze"], found["off_screen"]) == (1846, 1810, 3)
    assert round(found["duration_s"], 2) == 20.49
    assert found["rate_hz"] == pytest.approx(90, abs=0.1)
    assert found["clock_jumps"] == 0
    target = [line.rsplit(";", 1)[1].strip("() ") for line in path.read_text().splitlines()[1:]]
    target = np.array([[float(n) for n in pair.split(",")] for pair in target])
    error = np.hypot(gaze.x - target[:, 0], gaze.y - target[:, 1])[gaze.valid]
    assert round(float(np.median(error)), 4) == 0.0281


def test_real_stream_with_a_restarted_clock_tells_jump_from_gap():
    found = describe_gaze(real("tobii_pro_sdk_90hz/pursuit_linear_b.csv"))
    assert (found["rows"], found["samples_with_gaze"]) == (536, 277)
    assert found["clock_jumps"] == 1
    assert round(found["clock_jumps_s"][0]) == 6637
    assert found["gaps"] == 1  # 259 rows without an eye, up to the jump
    assert found["longest_gap_s"] == pytest.approx(259 / 90.07, abs=0.05)


def test_real_pro_lab_export():
    path = real("tobii_pro_lab/transition_test_data_export.tsv")
    found = describe_gaze(path)
    assert found["format"] == "Tobii Pro Lab TSV"
    assert (found["rows"], found["samples"], found["samples_with_gaze"]) == (1106, 1106, 1096)
    assert (found["first_s"], found["last_s"]) == (38.098, 56.502)
    assert found["rate_hz"] == pytest.approx(60, abs=0.1)
    assert found["off_screen"] is None and not found["normalised"]
    with pytest.raises(InputError, match="screen_width_px,screen_height_px"):
        read_gaze(path)
    gaze = read_gaze(path, (1920, 1080))
    assert gaze.x[0] == pytest.approx(1312 / 1920) and gaze.y[0] == pytest.approx(648 / 1080)


def test_real_studio_2_export_knows_its_screen_and_its_event_rows():
    path = real("tobii_studio_2x/Rec_01.tsv")
    found = describe_gaze(path)
    assert found["format"] == "Tobii Studio 2 TSV"
    assert (found["rows"], found["samples"], found["samples_with_gaze"]) == (255, 252, 252)
    assert found["screen_px"] == [1280, 1024]
    assert found["rate_hz"] == pytest.approx(50, abs=0.5)
    gaze = read_gaze(path)
    assert gaze.x[0] == pytest.approx((408.1478 + 434.6056) / 2 / 1280)


# --- synthetic files ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_every_format_gives_the_same_samples(tmp_path, kind):
    name, text, rows = FILES[kind]
    path = write(tmp_path, text(), "named_like_nothing.dat")
    gaze = read_gaze(path, SCREEN)
    assert gaze.format == name and gaze.rows == rows
    np.testing.assert_allclose(gaze.time_s, TIMES, atol=1e-9)
    np.testing.assert_array_equal(gaze.valid, [True, True, True, False])
    np.testing.assert_allclose(gaze.x, X, atol=1e-12)
    np.testing.assert_allclose(gaze.y, Y, atol=1e-12)
    found = describe_gaze(path, SCREEN)
    assert found["off_screen"] == 1 and found["samples_with_gaze"] == 3
    assert found["rate_hz"] == pytest.approx(125)


@pytest.mark.parametrize("known", gaze_formats(), ids=lambda known: known.name)
def test_what_a_format_writes_it_reads(tmp_path, known):
    """Every format found in the package: random gaze, with gaps and points off the screen, comes back."""
    rng = np.random.default_rng(7)
    time_s = 12.0 + 0.008 * np.arange(60)
    x, y = rng.uniform(-0.02, 1.1, (2, 60)).round(4)
    x[rng.uniform(size=60) < 0.2] = np.nan
    y[np.isnan(x)] = np.nan
    path = write(tmp_path, known.example(time_s, x, y, SCREEN), "named_like_nothing.dat")
    gaze = read_gaze_as_is(path, SCREEN)
    assert gaze.format == known.name
    np.testing.assert_allclose(gaze.time_s, time_s, atol=1e-6)
    np.testing.assert_allclose(gaze.x, x, atol=1e-4)
    np.testing.assert_allclose(gaze.y, y, atol=1e-4)
    np.testing.assert_array_equal(gaze.valid, np.isfinite(x))
    if gaze.scene:
        with pytest.raises(InputError, match=r"scene camera's picture.*map gaze to the screen first"):
            read_gaze(path, SCREEN)
    else:
        np.testing.assert_array_equal(read_gaze(path, SCREEN).x, gaze.x)
    assert known.tool and known.export


def test_a_format_is_found_by_its_file_alone(tmp_path, monkeypatch):
    """The example of docs/extending: one file in the package, no other edit."""
    (tmp_path / "dots.py").write_text(
        "from data.gaze.raw import RawGaze, TableFormat\n"
        "FORMAT = TableFormat(name='dots', tool='a test', export='all',\n"
        "    signature=(('dot_x',), ('dot_y',), ('dot_t',)),\n"
        "    parse=lambda table: RawGaze(*(table.numbers(f'dot_{c}') for c in 'txy'), in_pixels=False),\n"
        "    example=lambda time_s, x, y, screen_px: '')\n"
    )
    monkeypatch.setattr(data.gaze.formats, "__path__", [*data.gaze.formats.__path__, str(tmp_path)])
    gaze_formats.cache_clear()
    try:
        gaze = read_gaze(write(tmp_path, "dot_t,dot_x,dot_y\n0,0.1,0.2\n0.01,0.3,0.4\n"))
    finally:
        gaze_formats.cache_clear()
    assert gaze.format == "dots" and gaze.y.tolist() == [0.2, 0.4]


@pytest.mark.parametrize("kind", ["studio_3", "plain_s", "sdk_tsv"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encoding_and_lines_above_the_header_change_nothing(tmp_path, kind, encoding):
    text = FILES[kind][1]().lstrip("\ufeff")
    path = write(tmp_path, "Study:\tJürgen\r\n\r\n" + text, encoding=encoding)
    np.testing.assert_allclose(read_gaze(path).x, X, atol=1e-12)


def test_uncertain_eyes_are_not_used(tmp_path):
    text = studio_3().replace("\t0\t0\t", "\t1\t2\t")
    gaze = read_gaze(write(tmp_path, text))
    assert gaze.x[0] == pytest.approx(0.2) and gaze.y[0] == pytest.approx(0.45)


def test_milliseconds_without_unit_become_microseconds_by_their_step(tmp_path):
    rows = "\n".join(f"{5_000_000 + 16_667 * i}\t{i}\t{i}" for i in range(9))
    path = write(tmp_path, "Recording timestamp\tGaze point X\tGaze point Y\n" + rows)
    gaze = read_gaze(path, (100, 100))
    assert gaze.time_s[0] == 5.0 and describe_gaze(path, (100, 100))["rate_hz"] == pytest.approx(60, abs=0.01)


def test_writer_and_reader_are_inverse(tmp_path):
    rng = np.random.default_rng(3)
    time_s = 1000 + np.arange(200) / 90
    x, y = rng.uniform(-0.1, 1.1, (2, 200))
    valid = rng.uniform(size=200) > 0.2
    write_tobii_sdk_stream(tmp_path / "gaze.csv", time_s, x, y, valid)
    gaze = read_gaze(tmp_path / "gaze.csv")
    assert gaze.format == "Tobii Pro SDK stream"
    np.testing.assert_array_equal(gaze.valid, valid)
    np.testing.assert_array_equal(gaze.x[valid], x[valid])
    np.testing.assert_array_equal(gaze.y[valid], y[valid])
    assert np.isnan(gaze.x[~valid]).all()
    assert np.abs(gaze.time_s - time_s).max() <= 0.5e-6 + 1e-9
    with pytest.raises(ValueError, match="finite"):
        write_tobii_sdk_stream(tmp_path / "bad.csv", time_s, np.full(200, np.nan), y, valid)
    assert not (tmp_path / "bad.csv").exists()


# --- clock and gaps ---------------------------------------------------------------------------


def test_long_missing_gaze_is_a_gap_and_a_step_of_the_clock_is_a_jump(tmp_path):
    time_s = np.arange(3000) / 90
    valid = np.ones(3000, bool)
    valid[100:2500] = False  # 26 s without an eye, rows there
    write_tobii_sdk_stream(tmp_path / "gap.csv", time_s, *np.full((2, 3000), 0.5), valid)
    found = describe_gaze(tmp_path / "gap.csv")
    assert (found["gaps"], found["clock_jumps"]) == (1, 0)
    assert found["longest_gap_s"] == pytest.approx(2401 / 90, abs=1e-5)

    time_s[1500:] += 100.0
    time_s[2800:] -= 7.0
    write_tobii_sdk_stream(tmp_path / "jump.csv", time_s, *np.full((2, 3000), 0.5), np.ones(3000, bool))
    found = describe_gaze(tmp_path / "jump.csv")
    assert (found["gaps"], found["clock_jumps"]) == (0, 2)
    np.testing.assert_allclose(found["clock_jumps_s"], [100 + 1 / 90, 1 / 90 - 7], atol=2e-6)
    assert found["duration_s"] == pytest.approx(2997 / 90, abs=1e-4)


def test_repeated_timestamps_are_no_jump():
    assert len(clock_jumps(np.array([0.0, 0.0, 0.01, 0.01]))) == 0
    np.testing.assert_array_equal(clock_jumps(np.array([5.0, 4.999, 5.0, 50.0])), [0, 2])


def test_gaps_at_the_ends_count(tmp_path):
    time_s = np.arange(100) / 100
    valid = (time_s > 0.3) & (time_s < 0.6)
    write_tobii_sdk_stream(tmp_path / "g.csv", time_s, *np.full((2, 100), 0.5), valid)
    np.testing.assert_allclose(gaps(read_gaze(tmp_path / "g.csv")), [[0, 0.31], [0.59, 0.99]], atol=1e-9)


# --- bad input --------------------------------------------------------------------------------

_EVENTS_ONLY = studio_3().split("\r\n")[0] + "\n" + "\t".join(["", "", "", "5", "End", *[""] * 12])

BAD = {
    "text": ("time_s,x,y\n0,0.5,0.5\n0.01,left,0.5\n", "row 3, column 'x': found 'left'"),
    "infinity": ("time_s,x,y,valid\n0,0.5,0.5,1\n\n0.01,0.5,inf,1\n", "row 4, column 'y': found 'inf'"),
    "infinity without flag": ("time_s,x,y\n0,-inf,0.5\n", "row 2, column 'x'.*leave it empty"),
    "nan": ("time_s,x,y\nnan,0.5,0.5\n", "row 2, column 'time_s': found 'nan'"),
    "missing time": ("start_ms,duration_ms,x,y\nNA,20,0.5,0.5\n", "row 2, column 'start_ms': found 'NA'"),
    "time": ("time_s,x,y\ninf,0.5,0.5\n", "row 2, column 'time_s': found 'inf'"),
    "no time": ("time_s,x,y\n,0.5,0.5\n", "row 2, column 'time_s': found an empty cell"),
    "validity": ("time_s,x,y,valid\n0,0.5,0.5,maybe\n", "column 'valid': found 'maybe': the codes are 1, 0"),
    "cut": ("time_s,x,y\n0,0.5,0.5\n0.01,0.5\n", "row 3 has 2 cells, the header 3"),
    "decimal commas": ("time_s,x,y\n0,01,0,5,0,5\n", "row 2 has 6 cells, the header 3"),
    "no rows": ("time_s,x,y\n", "no row of data"),
    "empty": (" \n", "the file is empty"),
    "pixels": ("time_ms,x,y\n0,512,300\n", "look like pixels"),
    "unknown": ("t,gx,gy\n0,0.5,0.5\n", "known are .*Gazepoint CSV; .*Tobii Pro SDK stream; .*plain"),
    "old script": ("TimeStamp\tGazePointXLeft\tGazePointYLeft\n0\t0.1\t0.1\n", "no known gaze format"),
    "binary": ("\x00\x01PK\x03\x04" * 400, "is a binary file"),
    "events only": (_EVENTS_ONLY, "event rows only"),
    "resolution": (studio_3().replace("1600 x 800", "big"), "column 'RecordingResolution': found 'big'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named(tmp_path, kind):
    text, message = BAD[kind]
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        read_gaze(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["NA", "NaN", "nan", "n/a", ".", ""])
def test_a_missing_point_has_many_words(tmp_path, missing):
    tables = (
        f"time_s,x,y,valid\n0,0.5,0.25,1\n0.01,{missing},0.25,1\n0.02,0.5,{missing},1\n",
        f"start_ms,duration_ms,x,y\n0,10,0.5,0.25\n10,10,{missing},0.25\n20,10,0.5,{missing}\n",
        "CURRENT_FIX_START\tCURRENT_FIX_DURATION\tCURRENT_FIX_X\tCURRENT_FIX_Y\n"
        f"0\t10\t0.5\t0.25\n10\t10\t{missing}\t0.25\n20\t10\t0.5\t{missing}\n",
    )
    for text in tables:
        gaze = read_gaze(write(tmp_path, text))
        np.testing.assert_array_equal(gaze.valid, [True, False, False])
        assert (gaze.x[0], gaze.y[0]) == (0.5, 0.25)


def test_an_invalid_sample_may_hold_nan_but_a_valid_one_in_a_stream_may_not(tmp_path):
    text = pro_sdk_stream().replace("(nan, nan);0;10024000", "(nan, nan);1;10024000")
    with pytest.raises(InputError, match=r"row 5, column 'left_gaze_point_on_display_area': found '\(nan, nan\)'"):
        read_gaze(write(tmp_path, text))


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_gaze(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="folder"):
        read_gaze(tmp_path)


def test_screen_that_contradicts_the_file(tmp_path):
    path = write(tmp_path, studio_3())
    assert read_gaze(path).screen_px == SCREEN
    with pytest.raises(InputError, match=r"1600x800.*1920x1080"):
        read_gaze(path, (1920, 1080))
    with pytest.raises(InputError, match="above 0"):
        read_gaze(path, (0, 1080))
