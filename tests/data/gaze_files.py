"""The same four gaze samples as every tracker's software would export them."""

from __future__ import annotations

import numpy as np

# Sample 1: both eyes; 2: left alone; 3: right alone, above the screen; 4: none.
TIMES = np.array([10.0, 10.008, 10.016, 10.024])
X = np.array([0.25, 0.5, 0.75, np.nan])
Y = np.array([0.5, 0.25, -0.125, np.nan])
SCREEN = (1600, 800)


def _pixels(i: int, comma: bool = False) -> tuple[str, str, str, str]:
    """Left x, left y, right x, right y of sample i in pixels, the missing ones empty."""
    apart = 0.05 if i == 0 else 0.0
    cells = []
    for present, shift in ((i in (0, 1), -apart), (i in (0, 2), apart)):
        for value, extent in zip((X[i], Y[i]), SCREEN):
            text = f"{(value + shift) * extent:.2f}" if present else ""
            cells.append(text.replace(".", ",") if comma else text)
    return tuple(cells)


def pro_sdk_stream() -> str:
    rows = ["left_gaze_point_on_display_area;left_gaze_point_validity;device_time_stamp;"
            "right_gaze_point_on_display_area;right_gaze_point_validity"]  # fmt: skip
    cells = [
        ("(0.2, 0.45)", 1, "(0.3, 0.55)", 1),
        ("(0.5, 0.25)", 1, "(nan, nan)", 0),
        ("(nan, nan)", 0, "(0.75, -0.125)", 1),
        ("(nan, nan)", 0, "(nan, nan)", 0),
    ]
    rows += [f"{a};{b};{round(t * 1e6)};{c};{d}" for t, (a, b, c, d) in zip(TIMES, cells)]
    return "\n".join(rows) + "\n"


def pro_sdk_stream_split() -> str:
    names = [f"{e}_gaze_point_on_display_area_{a}" for e in ("left", "right") for a in "xy"]
    rows = ["\t".join(["", "device_time_stamp", *names, "left_gaze_point_validity", "right_gaze_point_validity"])]
    cells = [
        ("0.2", "0.45", "0.3", "0.55", 1, 1),
        ("0.5", "0.25", "nan", "nan", 1, 0),
        ("nan", "nan", "0.75", "-0.125", 0, 1),
        ("nan", "nan", "nan", "nan", 0, 0),
    ]
    rows += ["\t".join(map(str, (i, round(TIMES[i] * 1e6), *cells[i]))) for i in range(4)]
    return "\n".join(rows) + "\n"


def sdk_tsv() -> str:
    columns = (
        "LeftEyePosition3dX|XGazePosLeftEye|YGazePosLeftEye|ValidityLeftEye|XGazePosRightEye|"
        "YGazePosRightEye|RightEyePupilDiameter|ValidityRightEye|TETTime|stim"
    )
    rows = [columns.replace("|", "\t")]
    cells = [
        (0.2, 0.45, 0, 0.3, 0.55, 1),
        (0.5, 0.25, 0, -1, -1, 4),
        (-1, -1, 4, 0.75, -0.125, 0),
        (-1, -1, 4, "-1.#IND", "1.#QNAN", 4),
    ]
    for t, (lx, ly, lv, rx, ry, rv) in zip(TIMES, cells):
        rows.append("\t".join(map(str, (-1, lx, ly, lv, rx, ry, -1, rv, round(t * 1e6), "Black.png"))))
    return "\n".join(rows) + "\n"


def pro_lab() -> str:
    columns = (
        "Recording timestamp|Sensor|Event|Gaze point X|Gaze point Y|Gaze point left X|"
        "Gaze point left Y|Gaze point right X|Gaze point right Y|Pupil diameter left|Validity left|"
        "Validity right|Gaze point X [MCS norm]|AOI hit [a - b]|AOI hit [a - c]|"
    )
    rows = [columns.replace("|", "\t")]
    for i, t in enumerate(TIMES):
        valid = ["Valid" if i in eyes else "Invalid" for eyes in ((0, 1), (0, 2))]
        cells = [str(round(t * 1e3)), "Eye Tracker", "", "9", "9", *_pixels(i, comma=True), "3,58", *valid]
        rows.append("\t".join([*cells, "", "0", "1", ""]))
        if i == 1:  # an event and a mouse row between two samples
            rows.append("\t".join([str(round(t * 1e3)), "", "VideoStimulusStart", *[""] * 12]))
            rows.append("\t".join([str(round(t * 1e3)), "Mouse", "", *[""] * 12]))
    return "\ufeff" + "\r\n".join(rows) + "\r\n"


def pro_lab_in_us() -> str:
    columns = (
        "Recording timestamp [μs]|Gaze point left X [DACS px]|Gaze point left Y [DACS px]|"
        "Gaze point right X [DACS px]|Gaze point right Y [DACS px]|Recording resolution width|"
        "Recording resolution height"
    )
    rows = [columns.replace("|", "\t")]
    rows += ["\t".join([str(round(t * 1e6)), *_pixels(i), "1600", "800"]) for i, t in enumerate(TIMES)]
    return "\n".join(rows) + "\n"


def studio_2() -> str:
    columns = (
        "Timestamp|DateTimeStamp|Number|GazePointXLeft|GazePointYLeft|ValidityLeft|GazePointXRight|"
        "GazePointYRight|ValidityRight|GazePointX|GazePointY|Event|StimuliName|MediaWidth|"
        "MediaHeight|MediaPosX|MediaPosY|"
    )
    rows = [columns.replace("|", "\t")]
    codes = [("0", "1"), ("0", "4"), ("3", "0"), ("4", "4")]
    media = ["No media\t1600\t800\t0\t0", *["clip.avi\t1400\t2000\t100\t0"] * 3]
    for i, t in enumerate(TIMES):
        lx, ly, rx, ry = (cell or "-1280,0" for cell in _pixels(i, comma=True))
        cells = [
            str(round(t * 1e3)),
            "15:00:14.438",
            str(i),
            lx,
            ly,
            codes[i][0],
            rx,
            ry,
            codes[i][1],
            "1",
            "1",
        ]
        rows.append("\t".join([*cells, "", media[i], ""]))
    rows.append("\t".join(["10030", "15:00:14.468", *[""] * 9, 'Left"Click', *[""] * 6]))
    return "\r\n".join(rows) + "\r\n"


def studio_3() -> str:
    columns = (
        "ExportDate|ParticipantName|RecordingResolution|RecordingTimestamp|StudioEvent|"
        "GazePointIndex|GazePointLeftX (ADCSpx)|GazePointLeftY (ADCSpx)|GazePointRightX (ADCSpx)|"
        "GazePointRightY (ADCSpx)|GazePointX (ADCSpx)|GazePointY (ADCSpx)|GazePointX (MCSpx)|"
        "GazePointLeftX (ADCSmm)|ValidityLeft|ValidityRight|"
    )
    rows = [columns.replace("|", "\t")]
    codes = [("0", "0"), ("0", "4"), ("", "0"), ("4", "4")]
    start = "01.02.2014\tJörg\t1600 x 800"
    for i, t in enumerate(TIMES):
        cells = [start, str(round(t * 1e3)), "", str(i + 1), *_pixels(i), "5", "5", "5", "5", *codes[i], ""]
        if i == 2:
            rows.append("\t".join([start, str(round(t * 1e3)), "MovieStart", *[""] * 12]))
        rows.append("\t".join(cells))
    return "\ufeff" + "\r\n".join(rows) + "\r\n"


def studio_3_combined() -> str:
    rows = ["RecordingResolution\tRecordingTimestamp\tGazePointX (ADCSpx)\tGazePointY (ADCSpx)"]
    for t, x, y in zip(TIMES, X, Y):
        cells = (f"{x * 1600:g}", f"{y * 800:g}") if np.isfinite(x) else ("", "")
        rows.append("\t".join(["1600 x 800", str(round(t * 1e3)), *cells]))
    return "\n".join(rows) + "\n"


def gazepoint() -> str:
    rows = ["MEDIA_ID,MEDIA_NAME,CNT,TIME(2016/05/24 12:34:56.789),TIMETICK(f=10000000),FPOGX,FPOGY,FPOGV,"
            "BPOGX,BPOGY,BPOGV"]  # fmt: skip
    for i, t in enumerate(TIMES):
        x, y, v = (X[i], Y[i], 1) if np.isfinite(X[i]) else (0.0, 0.0, 0)
        rows.append(f'0,"clip, 1",{i},{t:.5f},{i * 80000},0.1,0.1,1,{x:.5f},{y:.5f},{v}')
    return "\n".join(rows) + "\n"


def plain_s() -> str:
    return "time_s,x,y,valid\n10,0.25,0.5,1\n10.008,0.5,0.25,1\n10.016,0.75,-0.125,1\n10.024,nan,nan,0\n"


def plain_ms() -> str:
    return "x;y;time_ms\n0,25;0,5;10000\n0,5;0,25;10008\n0,75;-0,125;10016\n;;10024\n"


# {kind: (name of the format, the text of a file, data rows in it)}
FILES = {
    "pro_sdk_stream": ("Tobii Pro SDK stream", pro_sdk_stream, 4),
    "pro_sdk_stream_split": ("Tobii Pro SDK stream", pro_sdk_stream_split, 4),
    "sdk_tsv": ("Tobii SDK TSV", sdk_tsv, 4),
    "pro_lab": ("Tobii Pro Lab TSV", pro_lab, 6),
    "pro_lab_in_us": ("Tobii Pro Lab TSV", pro_lab_in_us, 4),
    "studio_2": ("Tobii Studio 2 TSV", studio_2, 5),
    "studio_3": ("Tobii Studio 3 TSV", studio_3, 5),
    "studio_3_combined": ("Tobii Studio 3 TSV", studio_3_combined, 4),
    "gazepoint": ("Gazepoint CSV", gazepoint, 4),
    "plain_s": ("plain", plain_s, 4),
    "plain_ms": ("plain", plain_ms, 4),
}
