"""Gaze files that hold several recordings: refused by name, or one of them chosen."""

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.alignment import gaze_for_frames
from data.gaze.read import read_gaze
from data.gaze.report import describe_gaze
from tests.data.gaze_cases import SCREEN, TIMES, plain, pro_lab, refused, write

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


@pytest.mark.parametrize("shift_s", [0.0, 0.004])
@pytest.mark.parametrize("people", [2, 3])
def test_rows_of_several_people_that_take_turns_are_refused(tmp_path, shift_s, people):
    wander = 0.002 * np.random.default_rng(0).standard_normal((120, people)).cumsum(axis=0)
    places = np.linspace(0.2, 0.8, people) + wander
    rows = [f"{t + k * shift_s:.4f},{x:.4f},0.5" for t, each in zip(TIMES, places) for k, x in enumerate(each)]
    refused(write(tmp_path, "\n".join(["time_s,x,y", *rows])), f"alternate between {people} places")
    alone = [f"{t:.4f},{x:.4f},0.5" for t, (x, *_) in zip(TIMES, places)]
    assert read_gaze(write(tmp_path, "\n".join(["time_s,x,y", *alone]))).valid.all()


def test_the_marks_of_gazepoint_are_no_people(tmp_path):
    rows = [f"{t:.5f},{0.25 if t < 3 else 0.75},0.5,1,{'SYNC' if t < 3 else 'END'}" for t in TIMES]
    path = write(tmp_path, "\n".join(["TIME(2024/01/01),BPOGX,BPOGY,BPOGV,USER", *rows]))
    assert len(read_gaze(path, clock_known=False).time_s) == len(TIMES)
    refused(path, "gaze_recording 'SYNC' is not in it: it has no column of recordings", gaze_recording="SYNC")


@pytest.mark.parametrize(
    "column",
    [
        "RECORDING_SESSION_LABEL",
        "user",
        "subj",
        "Proband",
        "PPID",
        "sonographer",
        "participant_code",
        "Recording date",
        "case",
    ],
)
def test_people_have_many_names(tmp_path, column):
    rows = [f"{t + k * 10:.4f},{who},0.{k + 2}5,0.5" for k, who in enumerate("AB") for t in TIMES]
    path = write(tmp_path, "\n".join([f"time_s,{column},x,y", *rows]))
    refused(path, f"column '{column}' has 'A', 'B'")
    np.testing.assert_allclose(read_gaze(path, gaze_recording="B").x, 0.35)
