import numpy as np
import pytest
import skimage.io
import skimage.transform
from pydicom.uid import MPEG4HP41, JPEGBaseline8Bit

from common.errors import InputError
from data.frames import grey_frame, resize_frame
from data.video.read import open_video
from tests.data.clips import (
    HEIGHT,
    WIDTH,
    cut,
    number_of,
    numbered_frame,
    numbered_video,
    write_dicom,
    write_pngs,
    write_video,
)

H264 = {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"bf": "3"}}
GOOD = {"bf": "2", "qmin": "1", "qmax": "2", "b": "4M"}
MPEG4 = {"codec": "mpeg4", "pix_fmt": "yuv420p", "options": GOOD}
MJPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}


def check_numbered(video, times_s, tolerance_s=1e-9):
    """Every frame comes once, in order, at its time."""
    np.testing.assert_allclose(video.times_s, times_s, rtol=0, atol=tolerance_s)
    count = 0
    for index, time_s, frame in video:
        assert index == count == number_of(frame)
        assert time_s == video.times_s[index]
        assert frame.dtype == np.uint8 and frame.shape == (HEIGHT, WIDTH)
        count += 1
    assert count == len(times_s) == len(video)
    assert video.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {}),
        ("a.avi", {}),
        ("a.mp4", H264),
        ("a.mkv", H264),
        ("a.avi", MPEG4),
        ("a.avi", MJPEG),
        ("a.mpg", {"codec": "mpeg2video", "pix_fmt": "yuv420p", "options": GOOD}),
        ("a.ts", H264),
        ("a.mov", H264),
    ],
)
def test_containers_give_every_frame_at_its_time(tmp_path, name, options):
    video = open_video(numbered_video(tmp_path / name, **options))
    check_numbered(video, np.arange(20) / 25, tolerance_s=1e-5)
    assert video.duration_s == pytest.approx(20 / 25, abs=0.03)


def test_lossless_video_is_exact(tmp_path):
    for _, _, frame in (video := open_video(numbered_video(tmp_path / "a.mkv"))):
        np.testing.assert_array_equal(frame, numbered_frame(number_of(frame)))
    # It can be read again: each iteration opens the file again.
    assert [index for index, _, _ in video] == list(range(20))


@pytest.mark.parametrize(("name", "options"), [("a.mp4", H264), ("a.mkv", H264), ("a.mkv", {})])
def test_a_varying_frame_rate_is_kept(tmp_path, name, options):
    times_ms = np.cumsum([0, 40, 40, 500, 20, 20, 33, 33, 120, 40, 40, 40])
    frames = [numbered_frame(k) for k in range(len(times_ms))]
    video = open_video(write_video(tmp_path / name, frames, times_ms=times_ms, **options))
    check_numbered(video, times_ms / 1000, tolerance_s=1e-4)


def test_times_start_at_the_first_frame(tmp_path):
    times_ms = 700 + 40 * np.arange(8)
    frames = [numbered_frame(k) for k in range(8)]
    check_numbered(open_video(write_video(tmp_path / "a.mkv", frames, times_ms=times_ms)), np.arange(8) / 25)


@pytest.mark.parametrize(
    ("name", "options", "share"),
    [
        ("a.mkv", {}, 0.5),
        ("a.mkv", {}, 0.85),
        ("a.mp4", H264, 0.5),
        ("a.mp4", {**H264, "container_options": {"movflags": "faststart"}}, 0.7),
        ("a.mp4", {**H264, "container_options": {"movflags": "faststart"}}, 0.98),
        ("a.avi", {}, 0.5),
        ("a.avi", MJPEG, 0.6),
        ("a.mkv", H264, 0.7),
    ],
)
def test_a_truncated_file_is_refused_before_decoding(tmp_path, name, options, share):
    path = cut(numbered_video(tmp_path / name, **options), share)
    with pytest.raises(InputError, match=rf"{name}: .*(truncated|damaged)"):
        open_video(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mkv", {}), ("a.mp4", {**H264, "container_options": {"movflags": "faststart"}}), ("a.avi", MJPEG)],
)
def test_a_cut_anywhere_never_loses_frames_in_silence(tmp_path, name, options):
    whole = numbered_video(tmp_path / name, **options).read_bytes()
    refused = 0
    for share in np.linspace(0, 0.999, 40):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        try:
            video = open_video(tmp_path / name)
            numbers = [number_of(frame) for _, _, frame in video]
        except InputError:
            refused += 1
        else:
            # What follows the last frame (an index) may be lost without harm.
            assert numbers == list(range(20))
    assert refused >= 25


def test_damaged_frames_are_refused_when_decoded(tmp_path):
    path = numbered_video(tmp_path / "a.mkv", options={"level": "3", "slicecrc": "1"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = bytes(range(60))
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.mkv"):
        list(open_video(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.mp4", b"not a video at all\n" * 100, "can't be read as a video"),
        ("a.txt", b"some notes\n" * 100, "is no video"),
        ("a.csv", b"a,b\n1,2\n", "no video"),
        ("a.mkv", b"", "empty"),
        ("a.png", b"\x89PNG\r\n\x1a\n but no more", "can't be read as an image"),
        ("a.dcm", b"\0" * 500, "DICOM"),
    ],
)
def test_a_file_that_is_no_video_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        open_video(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such video"):
        open_video(tmp_path / "gone.mp4")


def dicom_frames(count=6):
    return np.stack([numbered_frame(k) for k in range(count)])


@pytest.mark.parametrize(
    ("fields", "times_s"),
    [
        ({"FrameTime": 50.0}, np.arange(6) * 0.05),
        ({"CineRate": 20}, np.arange(6) * 0.05),
        ({"FrameTimeVector": [0, 10, 40, 20, 30, 50]}, np.cumsum([0, 10, 40, 20, 30, 50]) / 1000),
        # The vector is the finer truth.
        ({"FrameTimeVector": [0, 10, 40, 20, 30, 50], "FrameTime": 50.0}, np.cumsum([0, 10, 40, 20, 30, 50]) / 1000),
    ],
)
def test_dicom_times(tmp_path, fields, times_s):
    check_numbered(open_video(write_dicom(tmp_path / "a.dcm", dicom_frames(), **fields)), times_s)


def test_dicom_is_recognised_by_content(tmp_path):
    check_numbered(open_video(write_dicom(tmp_path / "IM0001", dicom_frames(), FrameTime=40.0)), np.arange(6) * 0.04)


def test_dicom_without_times_needs_fps(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", dicom_frames())
    with pytest.raises(InputError, match="FrameTimeVector, FrameTime nor CineRate"):
        open_video(path)
    check_numbered(open_video(path, fps=10), np.arange(6) / 10)


def test_a_default_rate_is_for_clips_that_tell_none(tmp_path):
    without = write_dicom(tmp_path / "IM_0001", dicom_frames())
    check_numbered(open_video(without, default_fps=10), np.arange(6) / 10)
    with_times = write_dicom(tmp_path / "IM_0002", dicom_frames(), FrameTime=40.0)
    check_numbered(open_video(with_times, default_fps=10), np.arange(6) / 25)
    assert open_video(numbered_video(tmp_path / "a.mkv"), default_fps=10).times_s[1] == pytest.approx(0.04)
    folder = write_pngs(tmp_path / "f", {f"{k}.png": numbered_frame(k) for k in range(3)})
    np.testing.assert_allclose(open_video(folder, default_fps=10).times_s, np.arange(3) / 10)
    assert open_video(folder, 20, default_fps=10).times_s[1] == pytest.approx(0.05)


def test_dicom_monochrome1_is_inverted(tmp_path):
    frames = dicom_frames()
    video = open_video(write_dicom(tmp_path / "a.dcm", 255 - frames, "MONOCHROME1", FrameTime=40.0))
    np.testing.assert_array_equal(np.stack([frame for _, _, frame in video]), frames)


def test_dicom_colour_becomes_grey(tmp_path):
    frames = dicom_frames()
    rgb = np.repeat(frames[..., None], 3, axis=-1)
    video = open_video(write_dicom(tmp_path / "rgb.dcm", rgb, "RGB", FrameTime=40.0))
    np.testing.assert_array_equal(np.stack([frame for _, _, frame in video]), frames)
    ybr = np.stack([frames, np.full_like(frames, 128), np.full_like(frames, 128)], axis=-1)
    video = open_video(write_dicom(tmp_path / "ybr.dcm", ybr, "YBR_FULL", FrameTime=40.0))
    np.testing.assert_allclose(np.stack([frame for _, _, frame in video]).astype(int), frames, atol=1)


def test_dicom_of_more_bits_is_scaled_over_the_stored_bits(tmp_path):
    frames = dicom_frames()
    wide = np.round(frames.astype(float) / 255 * 4095).astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", wide, FrameTime=40.0, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(np.stack([frame for _, _, frame in open_video(path)]), frames)


def test_a_truncated_dicom_is_refused(tmp_path):
    path = cut(write_dicom(tmp_path / "a.dcm", dicom_frames(), FrameTime=40.0), 0.6)
    with pytest.raises(InputError, match=r"a\.dcm: truncated"):
        open_video(path)


@pytest.mark.parametrize("colour", [False, True])
def test_a_dicom_of_jpegs_is_decoded(tmp_path, colour):
    encoded = []
    for frame in dicom_frames():
        image = np.dstack([frame] * 3) if colour else frame
        skimage.io.imsave(tmp_path / "f.jpg", image, check_contrast=False)
        encoded.append((tmp_path / "f.jpg").read_bytes())
    pixels = np.stack([dicom_frames()] * 3, axis=-1) if colour else dicom_frames()
    path = write_dicom(
        tmp_path / "a.dcm",
        pixels,
        "YBR_FULL_422" if colour else "MONOCHROME2",
        syntax=JPEGBaseline8Bit,
        encoded=encoded,
        FrameTime=40.0,
    )
    check_numbered(open_video(path), np.arange(6) * 0.04)


def test_a_dicom_whose_film_is_none_is_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", dicom_frames(), syntax=MPEG4HP41, encoded=[b"x" * 50] * 6, FrameTime=40.0)
    with pytest.raises(InputError, match=r"a\.dcm: can't be read as a video"):
        open_video(path)


def test_a_folder_of_pngs_is_read_in_the_order_of_its_numbers(tmp_path):
    folder = write_pngs(tmp_path / "f", {f"frame{k}.png": numbered_frame(k) for k in range(12)})
    check_numbered(open_video(folder), np.arange(12) / 30)
    check_numbered(open_video(folder, fps=8), np.arange(12) / 8)


def test_a_gap_in_the_numbers_is_a_gap_in_time(tmp_path):
    folder = write_pngs(tmp_path / "f", {f"{n:04d}.png": numbered_frame(k) for k, n in enumerate([7, 8, 12])})
    check_numbered(open_video(folder, fps=10), [0, 0.1, 0.5])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "holds no PNG"),
        (["a.png"], "no frame number"),
        (["a1.png", "b01.png"], "named by two patterns"),
    ],
)
def test_a_bad_folder_is_refused(tmp_path, names, words):
    folder = write_pngs(tmp_path / "f", {name: numbered_frame(0) for name in names})
    with pytest.raises(InputError, match=words):
        open_video(folder)


def test_frames_of_different_sizes_are_refused(tmp_path):
    folder = write_pngs(tmp_path / "f", {"1.png": numbered_frame(0), "2.png": numbered_frame(1, (32, 32))})
    with pytest.raises(InputError, match="frame 1 has 32x32 pixels, frame 0 has 64x48"):
        list(open_video(folder))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg"])
def test_one_image_is_one_frame_at_time_0(tmp_path, suffix):
    skimage.io.imsave(tmp_path / f"a.{suffix}", numbered_frame(7), check_contrast=False)
    ((index, time_s, frame),) = open_video(tmp_path / f"a.{suffix}")
    assert (index, time_s, number_of(frame)) == (0, 0.0, 7)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_refused(tmp_path, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    skimage.io.imsave(path, noise, check_contrast=False)
    with pytest.raises(InputError, match=rf"a\.{suffix}: can't be read as an image"):
        open_video(cut(path, share))


def test_fps_for_a_video_with_times_is_refused(tmp_path):
    with pytest.raises(InputError, match="fps 10 is given"):
        open_video(numbered_video(tmp_path / "a.mkv"), fps=10)


def test_grey_of_grey_is_itself():
    frame = numbered_frame(3)
    for image in (frame, frame[..., None], np.dstack([frame] * 3), np.dstack([frame] * 3 + [frame * 0])):
        np.testing.assert_array_equal(grey_frame(image), frame)
    np.testing.assert_array_equal(grey_frame(frame.astype(np.uint16) * 257), frame)


def test_resize_is_the_mean_of_what_each_pixel_covers():
    frame = np.random.default_rng(0).integers(0, 256, (96, 144), dtype=np.uint8)
    oracle = skimage.transform.downscale_local_mean(frame, (4, 3))
    np.testing.assert_allclose(resize_frame(frame, (24, 48)), oracle, atol=0.5001)


def test_resize_agrees_with_a_brute_force_integral():
    frame = np.random.default_rng(1).integers(0, 256, (17, 23), dtype=np.uint8)
    # Over the common multiple of both grids, area weights are plain means.
    fine = np.kron(frame.astype(float), np.ones((5, 7)))
    oracle = fine.reshape(5, 17, 7, 23).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_frame(frame, (5, 7)), oracle, atol=0.5001)


def test_resize_keeps_constants_and_the_same_size_is_no_change():
    for size in ((10, 10), (48, 64), (100, 100), (7, 200)):
        assert np.all(resize_frame(np.full((48, 64), 93, np.uint8), size) == 93)
    frame = numbered_frame(1)
    assert resize_frame(frame, frame.shape) is frame


def test_enlarging_agrees_with_linear_interpolation():
    frame = np.random.default_rng(2).integers(0, 256, (12, 9), dtype=np.uint8)
    oracle = skimage.transform.resize(frame.astype(float), (30, 31), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(resize_frame(frame, (30, 31)), oracle, atol=0.5001)
