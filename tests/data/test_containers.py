"""Containers as players show them: rotation, pixel shape, AVI without times, one time twice, and damage."""

import struct

import av
import numpy as np
import pytest

from common.errors import InputError
from data.video.clip import RateMissing
from data.video.read import open_video
from tests.data.clips import HEIGHT, WIDTH, late_video, number_of, numbered_frame, numbered_video, write_video

H264 = {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"bf": "3"}}
MJPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
ONE = 1 << 16


def with_matrix(path, matrix):
    """Write the 3x3 display matrix (a, b, c, d in 16.16) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 8 + 4 + 4 + 4 + 8 + 8
    a, b, c, d = (value * ONE for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


# What a player shows for each matrix: x' = a x + c y, y' = b x + d y.
TURNS = {
    (0, 1, -1, 0): lambda a: np.rot90(a, -1),
    (-1, 0, 0, -1): lambda a: np.rot90(a, 2),
    (0, -1, 1, 0): lambda a: np.rot90(a),
    (-1, 0, 0, 1): lambda a: a[:, ::-1],
    (1, 0, 0, -1): lambda a: a[::-1],
    (0, 1, 1, 0): lambda a: a.T,
}


@pytest.mark.parametrize("matrix", TURNS)
def test_rotation_and_mirroring_are_obeyed(tmp_path, matrix):
    path = numbered_video(tmp_path / "a.mp4", 4, **H264)
    plain = [frame for _, _, frame in open_video(path)]
    video = open_video(with_matrix(path, matrix))
    assert video.size == TURNS[matrix](plain[0]).shape[::-1]
    for (_, _, frame), coded in zip(video, plain, strict=True):
        np.testing.assert_array_equal(frame, TURNS[matrix](coded))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_shape_of_the_pixels_is_obeyed(tmp_path, name):
    video = open_video(numbered_video(tmp_path / name, 3, **{**H264, "options": {"aspect": "3:2"}}))
    assert video.size == (WIDTH * 3 // 2, HEIGHT)
    assert [number_of(frame) for _, _, frame in video] == [0, 1, 2]


@pytest.mark.parametrize("options", [H264, {"codec": "mpeg4", "pix_fmt": "yuv420p", "options": {"bf": "2", "b": "4M"}}])
def test_avi_with_b_frames_keeps_every_frame_in_order(tmp_path, options):
    video = open_video(numbered_video(tmp_path / "a.avi", **options))
    np.testing.assert_allclose(video.times_s, np.arange(20) / 25)
    assert [number_of(frame) for _, _, frame in video] == list(range(20))


def empty_chunks(path, numbers):
    """Take the bytes out of some frames of an AVI, as capture programs write "as before"."""
    data = path.read_bytes()
    movi = data.index(b"movi")
    size = struct.unpack("<I", data[movi - 4 : movi])[0]
    at, end, out, frame, moved = movi + 4, movi + size, bytearray(data[: movi + 4]), 0, {}
    while at < end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        body = data[at + 8 : at + 8 + length + length % 2]
        moved[at - movi] = len(out) - movi
        if kind == b"00dc":
            if frame in numbers:
                length, body_out = 0, b""
            else:
                body_out = body
            frame += 1
            out += struct.pack("<4sI", kind, length) + body_out
        else:
            out += struct.pack("<4sI", kind, length) + body
        at += 8 + len(body)
    out[movi - 4 : movi] = struct.pack("<I", len(out) - movi)
    rest = bytearray(data[end:])
    assert rest[:4] == b"idx1"
    for k in range(struct.unpack("<I", rest[4:8])[0] // 16):
        entry = 8 + 16 * k
        offset, length = struct.unpack("<II", rest[entry + 8 : entry + 16])
        shown = 0 if k in numbers else length
        rest[entry + 8 : entry + 16] = struct.pack("<II", moved[offset], shown)
    out += rest
    out[4:8] = struct.pack("<I", len(out) - 8)
    path.write_bytes(out)
    return path


@pytest.mark.parametrize("empty", [{5, 6, 12}, {18, 19}, {1}])
def test_an_empty_chunk_of_an_avi_shows_the_frame_before_on(tmp_path, empty):
    video = open_video(empty_chunks(numbered_video(tmp_path / "a.avi", **MJPEG), empty))
    shown = [k for k in range(20) if k not in empty]
    np.testing.assert_allclose(video.times_s, np.array(shown) / 25)
    assert video.duration_s == pytest.approx(0.8)
    assert [number_of(frame) for _, _, frame in video] == shown


def test_two_frames_at_one_time_are_both_kept(tmp_path):
    times_ms = [0, 40, 40, 80, 120]
    path = tmp_path / "a.mkv"
    # The muxer refuses equal times, so one is written in the cluster by hand.
    write_video(path, [numbered_frame(k) for k in range(5)], times_ms=[0, 40, 41, 80, 120])
    data = path.read_bytes()
    assert data.count(b"\x81\x00\x29") == 1
    path.write_bytes(data.replace(b"\x81\x00\x29", b"\x81\x00\x28"))
    video = open_video(path)
    np.testing.assert_allclose(video.times_s * 1000, times_ms)
    assert [number_of(frame) for _, _, frame in video] == list(range(5))


@pytest.mark.parametrize(("first", "count"), [(0, 10), (10, 10), (7, 6), (0, 20)])
def test_an_edit_list_shows_a_part_of_what_is_stored(tmp_path, first, count):
    options = {"options": {"bf": "3", "g": "5"}, "container_options": {"movflags": "faststart"}}
    data = bytearray(numbered_video(tmp_path / "a.mp4", **{**H264, **options}).read_bytes())
    at = data.index(b"elst") + 12
    _, start = struct.unpack(">Ii", data[at : at + 8])
    # Its length in units of the film's clock, 1 ms, and its start in those of the stream's, 512 a frame.
    data[at : at + 8] = struct.pack(">Ii", 40 * count, start + 512 * first)
    (tmp_path / "a.mp4").write_bytes(data)
    video = open_video(tmp_path / "a.mp4")
    np.testing.assert_allclose(video.times_s, np.arange(count) / 25)
    assert [number_of(frame) for _, _, frame in video] == list(range(first, first + count))
    for share in (0.6, 0.8):
        (tmp_path / "a.mp4").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError, match=r"truncated|holds no frame"):
            open_video(tmp_path / "a.mp4")


HEVC = {"codec": "libx265", "pix_fmt": "yuv420p", "options": {"x265-params": "vui-timing-info=0:log-level=none"}}


@pytest.mark.parametrize(("name", "coded"), [("a.hevc", HEVC), ("a.mjpeg", MJPEG), ("a.mjpg", MJPEG)])
def test_a_video_without_a_container_or_a_rate_needs_fps(tmp_path, name, coded):
    path = numbered_video(tmp_path / name, 8, **coded)
    with pytest.raises(RateMissing, match=r"without a container and tells no frame rate.*column fps"):
        open_video(path)
    for video in (open_video(path, 50), open_video(path, default_fps=50)):
        np.testing.assert_allclose(video.times_s, np.arange(8) / 50)
        assert [number_of(frame) for _, _, frame in video] == list(range(8))
    with pytest.raises(InputError, match="fps 5000 must be"):
        open_video(path, 5000)


def test_a_video_without_a_container_may_declare_its_rate(tmp_path):
    video = open_video(path := numbered_video(tmp_path / "a.h264", 8, rate=50, **H264))
    np.testing.assert_allclose(video.times_s, np.arange(8) / 50)
    assert [number_of(frame) for _, _, frame in video] == list(range(8))
    with pytest.raises(InputError, match="fps 10 is given, but this stream declares 50: leave fps empty"):
        open_video(path, 10)


def test_no_flipped_bit_of_lossless_video_decodes_in_silence(tmp_path):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8) for _ in range(3)]
    path = write_video(tmp_path / "a.mkv", frames)
    whole = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for packet in packets:
        start = whole.index(packet)
        for _ in range(15):
            data = bytearray(whole)
            data[start + rng.integers(len(packet))] ^= 1 << rng.integers(8)
            path.write_bytes(data)
            with pytest.raises(InputError, match=r"frame \d is damaged, its checksum is wrong"):
                list(open_video(path))


@pytest.mark.parametrize("name", ["http:a.mkv", "concat:b.mkv", "a b%20.mkv"])
def test_a_name_is_a_name_and_no_protocol(tmp_path, name, monkeypatch):
    numbered_video(tmp_path / "x.mkv", 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_video(name))) == 3


@pytest.mark.parametrize("pix_fmt", ["gray16le", "gray12le", "gbrp12le"])
def test_12_bits_in_16_would_be_black_in_a_video_too(tmp_path, pix_fmt):
    deep = [numbered_frame(k).astype(np.uint16) for k in range(3)]
    full = open_video(write_video(tmp_path / "full.mkv", [f * 257 for f in deep], pix_fmt=pix_fmt))
    assert [number_of(frame) for _, _, frame in full] == [0, 1, 2]
    dark = open_video(write_video(tmp_path / "dark.mkv", [f * 16 for f in deep], pix_fmt=pix_fmt))
    with pytest.raises(InputError, match=r"dark\.mkv: its values reach 3\d\d\d of 65535"):
        list(dark)
    # A dark frame among others is only dark.
    mixed = write_video(tmp_path / "mixed.mkv", [deep[0] * 16, deep[1] * 257], pix_fmt=pix_fmt)
    assert len(list(open_video(mixed))) == 2


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "wmv"])
def test_a_video_that_begins_after_its_sound(tmp_path, suffix):
    video = open_video(late_video(tmp_path / f"a.{suffix}", 0.48))
    np.testing.assert_allclose(video.times_s, np.arange(8) / 25, atol=1e-6)
    # The sound may begin earlier still, by the padding of its codec: 1,024 samples.
    assert 0.48 - 1e-3 <= video.starts_s <= 0.48 + 0.129
    assert open_video(numbered_video(tmp_path / "b.mkv", 3)).starts_s == 0
