"""Gaze files that were once read wrongly in silence, or refused without a way out: each kind has its outcome."""

import gzip
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.alignment import gaze_for_frames
from data.gaze.formats import gaze_formats
from data.gaze.read import read_gaze, read_gaze_as_is
from data.gaze.report import describe_gaze, gaze_command

TIMES = 2.0 + np.arange(120) / 60
FORMATS = {known.name: known for known in gaze_formats()}
SCREEN = (1920, 1080)


def write(folder, content, name="gaze.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        read_gaze(path, **options)
    message = str(caught.value)
    assert str(path) in message and message.isprintable() and len(message) < 900
    return message


def pro_lab(people=(("P01", "Recording1", 0.25),), unit=" [ms]", factor=1000.0, times=TIMES, **more) -> str:
    header = ["Recording timestamp" + unit, "Participant name", "Recording name", *more]
    header += ["Gaze point X [DACS px]", "Gaze point Y [DACS px]"]
    rows = ["\t".join(header)]
    for person, name, x in people:
        rows += ["\t".join([f"{t * factor:.0f}", person, name, *more.values(), f"{x * 1920:g}", "540"]) for t in times]
    return "\n".join(rows) + "\n"


def plain(x, y, header="time_s,x,y", times=TIMES) -> str:
    cells = zip(times, np.broadcast_to(x, times.shape), np.broadcast_to(y, times.shape))
    return header + "\n" + "".join(f"{t:.4f},{a},{b}\n" for t, a, b in cells)


# --- several recordings in one file -----------------------------------------------------------------------

TWO = (("P01", "Recording1", 0.25), ("P02", "Recording1", 0.75))
MERGED = {
    "Pro Lab": (pro_lab(TWO), "column 'Participant name' has 'P01', 'P02'", "P02"),
    "Pro Lab, one person": (
        pro_lab((("P01", "Rec1", 0.25), ("P01", "Rec2", 0.75))),
        "column 'Recording name' has 'Rec1', 'Rec2'",
        "Rec2",
    ),
    "Studio 3": (
        "RecordingName\tRecordingTimestamp\tGazePointX (ADCSpx)\tGazePointY (ADCSpx)\n"
        + "".join(f"{name}\t{t * 1000:.0f}\t{x}\t540\n" for name, x in (("a", 480), ("b", 1440)) for t in TIMES),
        "column 'RecordingName' has 'a', 'b'",
        "b",
    ),
    "E-Prime": (
        "Subject\tSession\tTETTime\tXGazePosLeftEye\tYGazePosLeftEye\tXGazePosRightEye\tYGazePosRightEye\n"
        + "".join(f"{s}\t1\t{t * 1000:.3f}\t{x}\t.5\t{x}\t.5\n" for s, x in ((1, 0.25), (2, 0.75)) for t in TIMES),
        "column 'Subject' has '1', '2'",
        "Subject=2",
    ),
    "Gazepoint": (
        "MEDIA_ID,MEDIA_NAME,TIME(2024/01/01),BPOGX,BPOGY,BPOGV\n"
        + "".join(f"{i},v{i}.mp4,{t:.5f},{x},0.5,1\n" for i, x in ((0, 0.25), (1, 0.75)) for t in TIMES),
        "column 'MEDIA_ID' has '0', '1'",
        "v1.mp4",
    ),
    "fixations": (
        "image,index,start_ms,duration_ms,x,y\n"
        + "".join(f"{n},{i},{2000 + 300 * i},280,{x},0.5\n" for n, x in (("a", 0.25), ("b", 0.75)) for i in range(6)),
        "column 'image' has 'a', 'b'",
        "b",
    ),
    "plain": (
        "session;time_s;x;y\n" + "".join(f"{s};{t:.4f};{x};0.5\n" for s, x in ((1, 0.25), (2, 0.75)) for t in TIMES),
        "column 'session' has '1', '2'",
        "2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MERGED)
def test_several_recordings_are_refused_by_name_and_one_can_be_chosen(tmp_path, kind):
    text, words, name = MERGED[kind]
    path = write(tmp_path, text)
    assert "gaze_recording" in refused(path, words, screen_px=SCREEN)
    chosen = read_gaze(path, SCREEN, gaze_recording=name)
    np.testing.assert_allclose(chosen.x[chosen.valid], 0.75)
    assert chosen.time_s.max() < TIMES[-1] + 0.1
    refused(path, "nobody", screen_px=SCREEN, gaze_recording="nobody")


def test_a_name_in_two_columns_is_told_apart_by_the_column(tmp_path):
    rows = [(s, e, 0.1 * s + 0.01 * e) for s in (1, 2) for e in (1, 2)]
    text = "subject,session,time_s,x,y\n" + "".join(f"{s},{e},{t:.4f},{x},0.5\n" for s, e, x in rows for t in TIMES)
    path = write(tmp_path, text)
    refused(path, "write it as subject=2", gaze_recording="2")
    refused(path, "column 'session' has '1', '2'", gaze_recording="subject=2")
    np.testing.assert_allclose(read_gaze(path, gaze_recording="subject=2;session=1").x, 0.21)


def test_several_media_on_one_clock_need_an_offset_or_a_name(tmp_path):
    half = len(TIMES) // 2
    media = ["a.mp4"] * half + ["b.mp4"] * half
    rows = [f"{t * 1000:.0f}\t{m}\t480\t540" for t, m in zip(TIMES, media)]
    text = "\n".join(["Recording timestamp [ms]\tPresented Stimulus name\tGaze point X\tGaze point Y", *rows])
    path = write(tmp_path, text)
    refused(path, "several media.*'a.mp4', 'b.mp4'.*gaze_offset_s", screen_px=SCREEN, clock_known=False)
    assert len(read_gaze(path, SCREEN).time_s) == 120
    assert len(read_gaze(path, SCREEN, gaze_recording="b.mp4", clock_known=False).time_s) == half
    assert describe_gaze(path, SCREEN)["media"] == ["a.mp4", "b.mp4"]


def test_two_screens_in_one_file_are_not_one(tmp_path):
    text = pro_lab(**{"Recording resolution width": "1920", "Recording resolution height": "1080"})
    path = write(tmp_path, text.replace("1920\t1080", "1280\t1024", 60))
    refused(path, "found '1920': other rows have 1280")


def test_a_clock_that_went_back_into_the_video_stops_the_run(tmp_path):
    twice = np.concatenate([TIMES, TIMES])
    gaze = read_gaze(write(tmp_path, plain(0.5, 0.5, times=twice)))
    with pytest.raises(InputError, match=r"clock went back, from 3\.983 to 2\.000 s, in the time of the video"):
        gaze_for_frames(gaze, np.arange(20) / 10, video_px=(9, 9), gaze_offset_s=2.0)
    before = read_gaze(write(tmp_path, plain(0.5, 0.5, times=np.concatenate([TIMES - 60, TIMES]))))
    assert gaze_for_frames(before, np.arange(20) / 10, video_px=(9, 9), gaze_offset_s=2.0).samples == 120
    swapped = TIMES.copy()
    swapped[[50, 51]] = swapped[[51, 50]]
    gaze = read_gaze(write(tmp_path, plain(0.5, 0.5, times=swapped)))
    assert gaze_for_frames(gaze, np.arange(20) / 10, video_px=(9, 9), gaze_offset_s=2.0).samples == 120


# --- units, rates, numbers ----------------------------------------------------------------------------------

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
    seconds = "time_s,duration_s,x,y\n0.1,0.2,0.2,0.3\n0.33,0.1,0.8,0.9\n"
    np.testing.assert_allclose(read_gaze(write(tmp_path, seconds)).time_s, gaze.time_s)
    report = "\t".join(f"CURRENT_FIX_{name}" for name in ("START", "DURATION", "X", "Y"))
    report += "\n100\t200\t384\t324\n330\t100\t1536\t972\n"
    np.testing.assert_allclose(read_gaze(write(tmp_path, report), SCREEN).x, gaze.x)


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


def test_gaze_in_other_systems_than_the_screens_pixels(tmp_path):
    for system in ("DACS mm", "MCS px", "MCS norm"):
        refused(write(tmp_path, pro_lab().replace("DACS px", system)), f"'{system.lower()}' only.*DACS px")
    shares = pro_lab().replace("DACS px", "DACS norm").replace("480\t540", "0.25\t0.5")
    np.testing.assert_allclose(read_gaze(write(tmp_path, shares)).x, 0.25)


# --- where the origin is --------------------------------------------------------------------------------------


def test_points_with_the_origin_in_the_centre_are_refused(tmp_path):
    angle = np.linspace(0, 6, 120)
    for radius in (0.3, 1.0):
        path = write(tmp_path, plain(radius * np.sin(angle), radius * np.cos(angle)))
        refused(path, "origin seems to be in the centre, with y upwards")
    pixels = plain(500 * np.sin(angle), 300 * np.cos(angle), "time_s,x_px,y_px")
    refused(write(tmp_path, pixels), "origin seems to be in the centre", screen_px=SCREEN)
    # A tenth of the time on the keyboard is no other origin.
    x = np.where(np.arange(120) % 10 == 0, -0.1, 0.4)
    assert read_gaze(write(tmp_path, plain(x, 0.5))).valid.all()


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
    ],
)  # fmt: skip
def test_gaze_in_a_scene_camera_is_described_and_not_used(tmp_path, text, tool):
    path = write(tmp_path, text)
    refused(path, f"{tool}.*scene camera's picture.*map gaze to the screen first", screen_px=SCREEN)
    assert "map it to the screen first" in describe_gaze(path)["place"]


def test_a_surface_of_pupil_core_has_its_origin_at_the_bottom_left(tmp_path):
    text = "gaze_timestamp,x_norm,y_norm,on_surf,confidence\n"
    rows = "".join(f"{t:.4f},0.2,0.9,True,{c}\n" for t, c in zip(TIMES, [0.3, *[0.9] * 119]))
    gaze = read_gaze(write(tmp_path, text + rows))
    np.testing.assert_allclose((gaze.x[1], gaze.y[1]), (0.2, 0.1))
    assert not gaze.valid[0] and gaze.valid[1:].all()


# --- trackers -------------------------------------------------------------------------------------------------


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


def test_eyelink_and_smi_as_pymovements_reads_them(tmp_path):
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


# --- what is no gaze table --------------------------------------------------------------------------------------


def _xlsx(folder):
    path = folder / "Data export.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("xl/worksheets/sheet1.xml", "<x/>")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_xlsx, "Excel workbook.*save"),
        (b"\x89HDF\r\n\x1a\n" + bytes(range(256)), "HDF5"),
        (b"XDF:" + bytes(64), "XDF|Lab Streaming"),
        (bytes(344) + b"n+1\0" + bytes(100), "NIfTI"),
        (b"SR_RESEARCH" + bytes(64), "edf2asc"),
        (bytes(range(256)) * 20, "binary file"),
        (gzip.compress(b"100\t200\t300\n" * 50), "no header.*BIDS"),
        (gzip.compress(b"time_s,x,y\n0,0.5,0.5\n" * 50)[:40], "cut short"),
        (gzip.compress(bytes(300 << 20), 1)[: 3 << 20], "unpacks to over"),
        (b'<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT AUTHOR="">', "ELAN"),
        (b'<?xml version="1.0"?>\n<annotations><version>1.1</version>', "CVAT"),
        (b'[{"id": 1, "annotations": [], "data": {"video": "a.mp4"}}]', "Label Studio"),
        (b'{"a": 1}', "JSON"),
        (b"frame,gaze_0_x,gaze_0_y,gaze_angle_x\n0,0.1,0.2,0.3\n", "OpenFace"),
        (b"1000\t960.0\t540.0\n1001\t960.0\t540.0\n", "no header"),
        (b"time_s,x,y\n0,0.5,0.5\n0.01,0.5\x00,0.5\n", "zero byte|binary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_gaze_table_is_named_in_printable_words(tmp_path, content, words):
    refused(write(tmp_path, content(tmp_path) if callable(content) else content, "file"), words)


def test_utf16_without_a_byte_order_mark(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be"):
        np.testing.assert_allclose(read_gaze(write(tmp_path, plain(0.25, 0.5).encode(encoding))).x, 0.25)


def test_gzip_is_unpacked(tmp_path):
    known = FORMATS["Tobii Pro Glasses 3"]
    text = known.example(TIMES, np.full(120, 0.25), np.full(120, 0.5), SCREEN)
    assert len(read_gaze_as_is(write(tmp_path, gzip.compress(text.encode()), "gazedata.gz")).x) == 120


@pytest.mark.parametrize(
    "line",
    [
        "0.5,1e308,0.5",
        "0.5,-1e300,0.5",
        "1e308,0.5,0.5",
        "0.5," + "1" * 400 + ",0.5",
        "9" * 400 + ",0.5,0.5",
        "0.5,0x1,0.5",
        "0.5,1_0,0.5",
        "0.5,\x1b[31m,0.5",
        "0.5," + "a" * 10**5 + ",0.5",
    ],
    ids=range(9),
)
def test_absurd_cells_are_one_short_line(tmp_path, line):
    refused(write(tmp_path, f"time_s,x,y\n0.48,0.5,0.5\n{line}\n"), "row 3|absurd|finite")


def test_absurd_headers_and_sizes_end_soon(tmp_path):
    start = time.process_time()
    refused(write(tmp_path, ",".join(f"c{i}" for i in range(10**5)) + "\n" + "1," * 10**5), "no known gaze format")
    for size in ((10**400, 1080), (0, 1080), (float("nan"), 1080), (1e308, 1e308)):
        refused(write(tmp_path, pro_lab()), "pixels: sides must be", screen_px=size)
    studio = pro_lab().replace("Participant name", "x").replace("Recording timestamp [ms]", "RecordingTimestamp")
    studio = studio.replace("Gaze point X [DACS px]", "GazePointX (ADCSpx)").replace(
        "Gaze point Y [DACS px]", "GazePointY (ADCSpx)"
    )
    studio = studio.replace("Recording name", "RecordingResolution").replace("Recording1", "9" * 400 + " x 1080")
    refused(write(tmp_path, studio), "expected a size")
    assert time.process_time() - start < 20


def test_pipes_devices_and_names_that_cannot_be(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "pipe or a device")
    with pytest.raises(InputError, match="pipe or a device"):
        read_gaze("/dev/zero")
    for name in ("a" * 5000, "d/" * 3000, "a\0b"):
        with pytest.raises(InputError, match=r"can't be read|too long") as caught:
            read_gaze(tmp_path / name)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400


def test_the_page_names_only_formats_that_are_read():
    page = (Path(__file__).parents[2] / "docs" / "data-gaze.md").read_text(encoding="utf-8")
    table = page.split("## What to export")[1].split("\n\n")[1]
    named = {line.rsplit("|", 2)[1].strip() for line in table.splitlines()[2:]}
    assert len(named) > 10 and named <= set(FORMATS)
