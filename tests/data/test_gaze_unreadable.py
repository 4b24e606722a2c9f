"""What is no gaze table is named, in one short printable line."""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data.gaze.read import read_gaze, read_gaze_as_is
from tests.data.gaze_cases import FORMATS, SCREEN, TIMES, plain, pro_lab, refused, write


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
        (lambda _: gzip.compress(bytes(300 << 20), 1)[: 3 << 20], "unpacks to over"),
        (b'<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT AUTHOR="">', "ELAN"),
        (b'<?xml version="1.0"?>\n<annotations><version>1.1</version>', "CVAT"),
        (b'[{"id": 1, "annotations": [], "data": {"video": "a.mp4"}}]', "Label Studio"),
        (b'{"a": 1}', "JSON"),
        (b"frame,gaze_0_x,gaze_0_y,gaze_angle_x\n0,0.1,0.2,0.3\n", "OpenFace"),
        (b'{"ts": 1, "s": 0, "gidx": 3, "l": 10, "gp": [0.4, 0.5]}', "Glasses 2.*scene camera.*map it to the screen"),
        (b"TIMESTAMP\tLEFT_GAZE_X\tLEFT_GAZE_Y\n1\t2\t3\n", "EyeLink Data Viewer.*edf2asc"),
        (b"onset\tx_coordinate\ty_coordinate\n1\t2\t3\n", "BIDS eye tracking"),
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
    twice = ("\ufeff" + plain(0.25, 0.5)).encode("utf-16")
    np.testing.assert_allclose(read_gaze(write(tmp_path, twice)).x, 0.25)


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


def test_absurd_headers_and_sizes_are_refused(tmp_path):
    refused(write(tmp_path, ",".join(f"c{i}" for i in range(10**5)) + "\n" + "1," * 10**5), "no known gaze format")
    for size in ((10**400, 1080), (0, 1080), (float("nan"), 1080), (1e308, 1e308)):
        refused(write(tmp_path, pro_lab()), "pixels: sides must be", screen_px=size)
    studio = pro_lab().replace("Participant name", "x").replace("Recording timestamp [ms]", "RecordingTimestamp")
    studio = studio.replace("Gaze point X [DACS px]", "GazePointX (ADCSpx)").replace(
        "Gaze point Y [DACS px]", "GazePointY (ADCSpx)"
    )
    studio = studio.replace("Recording name", "RecordingResolution").replace("Recording1", "9" * 400 + " x 1080")
    refused(write(tmp_path, studio), "expected a size")


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
