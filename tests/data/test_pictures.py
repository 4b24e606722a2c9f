"""Image files come as a viewer shows them, and what could be read in two ways is refused."""

import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from common.errors import InputError
from data.video.images import read_image
from data.video.read import open_video
from tests.data.clips import cut, number_of, numbered_frame, write_pngs

FRAME = numbered_frame(7)
# EXIF orientation (CIPA DC-008, 4.6.4): what was done to the scene; the inverse makes it upright.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_is_obeyed(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation](FRAME)))
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), FRAME)
    assert open_video(tmp_path / f"a.{suffix}").size == FRAME.shape[::-1]


def test_a_frame_of_a_folder_is_turned_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for k in range(3):
        Image.fromarray(np.ascontiguousarray(np.rot90(numbered_frame(k)))).save(tmp_path / f"{k}.png", exif=exif)
    video = open_video(tmp_path)
    assert video.size == FRAME.shape[::-1] and [number_of(f) for _, _, f in video] == [0, 1, 2]


def grey_modes():
    image = Image.fromarray(FRAME)
    levels = (FRAME > 100).astype(np.uint8) * 255
    return {
        "LA": (image.convert("LA"), FRAME),
        "RGBA": (image.convert("RGBA"), FRAME),
        "P": (image.convert("RGB").quantize(256, dither=Image.Dither.NONE), FRAME),
        "1": (Image.fromarray(levels).convert("1"), levels),
        "I;16": (Image.fromarray(FRAME.astype(np.uint16) * 257), FRAME),
    }


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "1", "I;16"])
def test_every_mode_of_a_grey_png_is_that_grey(tmp_path, mode):
    image, grey = grey_modes()[mode]
    image.save(tmp_path / "a.png")
    np.testing.assert_allclose(read_image(tmp_path / "a.png").astype(int), grey, atol=2 if mode == "P" else 0)


def test_cmyk_is_four_inks_and_not_colour_with_alpha(tmp_path):
    # A printer's grey: all in the black ink, none in the others.
    inks = np.zeros((*FRAME.shape, 4), np.uint8)
    inks[..., 3] = 255 - FRAME
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "a.tif")
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").astype(int), FRAME, atol=1)
    Image.fromarray(inks, mode="CMYK").save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - FRAME).mean() < 2


def test_12_bits_in_16_would_be_black_and_are_refused(tmp_path):
    Image.fromarray(FRAME.astype(np.uint16) * 16).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: its values reach 3\d\d\d of 65535"):
        open_video(tmp_path / "a.png")
    # A dark frame among others is only dark.
    frames = {"0.png": FRAME.astype(np.uint16) * 16, "1.png": FRAME.astype(np.uint16) * 257}
    for name, pixels in frames.items():
        (tmp_path / "clip").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "clip" / name)
    with pytest.raises(InputError, match="its values reach"):
        read_image(tmp_path / "clip" / "0.png")
    assert len(list(open_video(tmp_path / "clip"))) == 2


def test_colour_of_12_bits_in_16_is_black_too(tmp_path):
    colour = np.repeat(FRAME[..., None].astype(np.uint16), 3, axis=2)
    tifffile.imwrite(tmp_path / "a.tif", colour * 257, photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), FRAME)
    tifffile.imwrite(tmp_path / "b.tif", colour * 16, photometric="rgb")
    cv2.imwrite(str(tmp_path / "b.png"), colour * 16)
    for name in ("b.tif", "b.png"):
        with pytest.raises(InputError, match=rf"{name}: its values reach 3\d\d\d of 65535"):
            read_image(tmp_path / name)


def test_grey_of_16_bits_whose_0_is_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", 65535 - FRAME.astype(np.uint16) * 257, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), FRAME)
    tifffile.imwrite(tmp_path / "b.tif", 4095 - FRAME.astype(np.uint16) * 16, photometric="miniswhite")
    with pytest.raises(InputError, match=r"b\.tif: its values reach 4\d\d\d of 65535"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize(
    ("pixels", "options", "words"),
    [
        (FRAME.astype(np.int16) * 128, {}, "signed"),
        ((FRAME.astype(int) - 128).astype(np.int8), {}, "signed"),
        (np.stack([FRAME] * 5), {"metadata": {"axes": "TYX"}, "truncate": True}, "describes 5 pictures"),
        (np.stack([FRAME] * 5), {"imagej": True, "truncate": True}, "describes 5 pictures"),
        (
            np.stack([FRAME] * 2, axis=-1),
            {"planarconfig": "contig", "extrasamples": ["unspecified"]},
            "2 planes|no kind that",
        ),
        (FRAME / 255, {}, "of no kind that is read"),
    ],
)
def test_tiffs_that_would_be_another_picture(tmp_path, pixels, options, words):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", **options)
    for fps in (None, 10):
        with pytest.raises(InputError, match=words):
            open_video(tmp_path / "a.tif", fps)


def test_a_stack_of_grey_pages_is_a_clip_of_its_rate(tmp_path):
    frames = np.stack([numbered_frame(k) for k in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    with pytest.raises(InputError, match=r"stack of 3 pictures and tells no frame rate.*column fps"):
        open_video(tmp_path / "a.tif")
    video = open_video(tmp_path / "a.tif", fps=20)
    np.testing.assert_allclose(video.times_s, np.arange(3) / 20)
    np.testing.assert_array_equal([frame for _, _, frame in video], frames)
    for interval, unit in ((0.05, {}), (0.05, {"tunit": "sec"}), (50, {"tunit": "msec"}), (50_000, {"tunit": "usec"})):
        about = {"axes": "TYX", "finterval": interval, **unit}
        tifffile.imwrite(tmp_path / "b.tif", frames, imagej=True, metadata=about)
        np.testing.assert_allclose(open_video(tmp_path / "b.tif").times_s, np.arange(3) / 20)
    about = {"axes": "TYX", "finterval": 1, "tunit": "frame"}
    tifffile.imwrite(tmp_path / "c.tif", frames, imagej=True, metadata=about)
    with pytest.raises(InputError, match=r"tells no frame rate.*column fps"):
        open_video(tmp_path / "c.tif")


def test_three_planes_may_be_three_frames_and_channels_are_no_film(tmp_path):
    frames = np.stack([numbered_frame(k) for k in range(3)])
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match="3 planes one after the other"):
        open_video(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", frames, imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="along the axes C, which are no film"):
        open_video(tmp_path / "b.tif", fps=20)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animation_has_times_of_its_own(tmp_path, suffix):
    frames = [Image.fromarray(numbered_frame(k)) for k in range(4)]
    steps_ms = [40, 120, 40, 200]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], duration=steps_ms, **options)
    video = open_video(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(video.times_s, [0, 0.04, 0.16, 0.2])
    assert video.duration_s == pytest.approx(0.4) and [number_of(f) for _, _, f in video] == [0, 1, 2, 3]
    with pytest.raises(InputError, match="fps 10 is given"):
        open_video(tmp_path / f"a.{suffix}", fps=10)


def test_an_animation_without_times_needs_a_rate(tmp_path):
    frames = [Image.fromarray(numbered_frame(k)) for k in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"4 frames and not every one says how long.*column fps"):
        open_video(tmp_path / "a.gif")
    np.testing.assert_allclose(open_video(tmp_path / "a.gif", fps=5).times_s, np.arange(4) / 5)


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "JPG", "tif"])
def test_a_folder_of_other_images_is_a_clip(tmp_path, suffix):
    for k in range(3):
        Image.fromarray(numbered_frame(k)).save(tmp_path / f"f{k:03d}.{suffix}")
    (tmp_path / "Thumbs.db").write_bytes(b"\0")
    (tmp_path / "notes.txt").write_text("no frame")
    assert [number_of(frame) for _, _, frame in open_video(tmp_path, fps=10)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("names", "times_s"),
    [
        (["f0000_128x96.png", "f0001_128x96.png", "f0003_128x96.png"], [0, 0.1, 0.3]),
        (["US20240501_101112_07.png", "US20240501_101112_8.png", "US20240501_101112_09.png"], [0, 0.1, 0.2]),
        (["20240501_0001.png", "20240501_0002.png", "20240501_0003.png"], [0, 0.1, 0.2]),
        (["key_10.png", "key_20.png", "key_40.png"], [0, 1, 3]),
        (["p3_11_0001.png", "p3_12_0002.png", "p3_13_0003.png"], [0, 0.1, 0.2]),
    ],
)
def test_the_number_that_changes_is_the_frame_number(tmp_path, names, times_s):
    folder = write_pngs(tmp_path / "f", {name: numbered_frame(k) for k, name in enumerate(names)})
    video = open_video(folder, fps=10)
    np.testing.assert_allclose(video.times_s, times_s)
    assert [number_of(frame) for _, _, frame in video] == [0, 1, 2]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["frame_000_t0.00.png", "frame_001_t0.04.png"], "several numbers change"),
        (["shot 2024-05-01 at 10.11.18.png", "shot 2024-05-02 at 10.11.17.png"], "several numbers change"),
        (["at 10.11.15.png", "at 10.11.16.png"], "a part of a time or a decimal number"),
        (["t0.04.png", "t0.08.png"], "a part of a time or a decimal number"),
        (["a1.png", "b2.png"], "named by two patterns"),
        (["a.png", "b2.png"], "no frame number"),
        (["1.png", "01.png"], "both have frame number 1"),
        (["1.png", f"{10**30}.png"], "too many digits"),
        (["f_033.png", "f_067.png", "f_100.png"], "a part of a time"),
        (["f_1700000000000.png", "f_1700000000033.png"], "a part of a time"),
        (["US_20240501_101115.png", "US_20240501_101116.png"], "a part of a time"),
        (["1.png", "1000000000.png"], "span .* more than a day"),
        (["1.png", "2.jpg"], r"several kinds \(1 \.png, 1 \.jpg\)"),
    ],
)
def test_names_that_count_in_two_ways_are_refused(tmp_path, names, words):
    folder = write_pngs(tmp_path / "f", {name: numbered_frame(k) for k, name in enumerate(names)})
    with pytest.raises(InputError, match=words) as caught:
        open_video(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path):
    Image.fromarray(FRAME).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png: has (30000x30000|more) pixels,? (more )?than"):
        open_video(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "head", "words"),
    [
        ("a.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        ("a.nii", b"\x5c\x01\0\0", "is a NIfTI image"),
        ("a.mhd", b"ObjectType = Image\nNDims = 3\n", "is a MetaImage"),
        ("a.zip", b"PK\x03\x04", "is a ZIP archive: unpack it"),
        ("a.mp4.gz", b"\x1f\x8b", "is a gzip archive: unpack it"),
        ("a.mat", b"MATLAB 5.0 MAT-file", "is a MATLAB file"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:10,\nhttp://example.org/a.ts\n", "is a playlist: name the video file itself"),
        ("a.npy", b"\x93NUMPY", "is a NumPy array"),
        ("a.png", b"<html><body>please log in", "is HTML|can't be read as an image"),
    ],
)
def test_what_can_not_be_read_is_named_with_the_cure(tmp_path, name, head, words):
    (tmp_path / name).write_bytes(head + b"\0" * 500 if not head.endswith(b"\n") else head)
    with pytest.raises(InputError, match=words) as caught:
        open_video(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and str(caught.value).isprintable()


def test_a_truncated_animation_is_refused(tmp_path):
    frames = [Image.fromarray(numbered_frame(k)) for k in range(8)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=40)
    with pytest.raises(InputError):
        list(open_video(cut(tmp_path / "a.png", 0.6)))
