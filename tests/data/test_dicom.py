"""DICOM: times that can't be used, palettes, colours tagged wrongly, films, and files without a header."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels import get_decoder
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)

from common.errors import InputError
from data.video.read import open_video
from tests.data.clips import number_of, numbered_frame, numbered_video, write_dicom

FRAMES = np.stack([numbered_frame(k) for k in range(5)])


def decoded(path, fps=None):
    return np.stack([frame for _, _, frame in open_video(path, fps)])


@pytest.mark.parametrize(
    ("vector", "fault"),
    [
        ([0, 40, 0, 40, 40], "a step that is not above 0"),
        ([0, 40, 40, 40], "4 entries for 5 frames"),
        ([0, 40, -40, 40, 40], "a step that is not above 0"),
        ([0, 0.04, 0.04, 0.04, 0.04], "no times in ms that a scanner would have"),
        ([0, 40, 80, 120, 160], "no times in ms that a scanner would have"),
    ],
)
def test_a_vector_of_times_that_can_not_be_used_leaves_room_for_fps(tmp_path, vector, fault):
    path = write_dicom(tmp_path / "a.dcm", FRAMES, FrameTimeVector=vector)
    with pytest.raises(InputError, match=rf"FrameTimeVector has {fault}: .*column fps"):
        open_video(path)
    np.testing.assert_allclose(open_video(path, fps=10).times_s, np.arange(5) / 10)


@pytest.mark.parametrize("value", ["1A", "-3", "0.5", "99999999999"])
def test_a_number_of_frames_that_is_none_is_one_line(tmp_path, value):
    path = write_dicom(tmp_path / "a.dcm", FRAMES, FrameTime=40.0)
    data = path.read_bytes()
    old = b"\x28\0\x08\0IS\x02\x005 "
    assert old in data
    padded = value.encode() + b" " * (len(value) % 2)
    path.write_bytes(data.replace(old, b"\x28\0\x08\0IS" + len(padded).to_bytes(2, "little") + padded))
    with pytest.raises(InputError, match=r"a\.dcm: .*(NumberOfFrames is|can't be read as DICOM)"):
        open_video(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_applied(tmp_path, bits):
    # The palette turns the grey levels round, so that an index taken for grey would show.
    table = (255 - np.arange(256)) * (257 if bits == 16 else 1)
    data = table.astype("<u2" if bits == 16 else np.uint8).tobytes()
    palette = {
        f"{colour}PaletteColorLookupTable{what}": value
        for colour in ("Red", "Green", "Blue")
        for what, value in (("Descriptor", [256, 0, bits]), ("Data", data))
    }
    path = write_dicom(tmp_path / "a.dcm", 255 - FRAMES, "PALETTE COLOR", FrameTime=40.0, **palette)
    np.testing.assert_allclose(decoded(path).astype(int), FRAMES, atol=1)


def jpeg_of(frame, keep_jfif=True, **options):
    """A colour JPEG of a grey frame; a stream without JFIF says nothing of its colours."""
    stream = BytesIO()
    Image.fromarray(np.dstack([frame] * 3)).save(stream, "JPEG", quality=95, **options)
    data = stream.getvalue()
    if not keep_jfif:
        assert data[2:4] == b"\xff\xe0"
        data = data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]
    return data


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize("keep_jfif", [True, False])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"keep_rgb": True}])
def test_the_codestream_says_what_its_colours_are(tmp_path, photometric, keep_jfif, options):
    if not keep_jfif and "keep_rgb" in options:
        pytest.skip("components named R, G and B come without JFIF")
    encoded = [jpeg_of(frame, keep_jfif, **options) for frame in FRAMES]
    path = write_dicom(
        tmp_path / "a.dcm",
        np.stack([FRAMES] * 3, axis=-1),
        photometric,
        syntax=JPEGBaseline8Bit,
        encoded=encoded,
        FrameTime=40.0,
    )
    assert np.abs(decoded(path).astype(int) - FRAMES).mean() < 1.5


def lossless_jpeg(frame):
    """A lossless JPEG (process 14, predictor 1) of a grey frame, by hand: ITU-T T.81, annex H."""
    height, width = frame.shape
    values = frame.astype(int)
    predicted = np.roll(values, 1, axis=1)
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 128
    bits = []
    for difference in (values - predicted).ravel():
        size = int(abs(difference)).bit_length()
        # Codes of 4 bits for the sizes 0 to 8, in order.
        bits.append(f"{size:04b}")
        if size:
            bits.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])[:1] + bytes([0, 0, 0, 9, *[0] * 12]) + bytes(range(9))
    return (
        b"\xff\xd8"
        + b"\xff\xc3\x00\x0b\x08"
        + height.to_bytes(2, "big")
        + width.to_bytes(2, "big")
        + b"\x01\x01\x11\x00"
        + b"\xff\xc4"
        + (2 + len(table)).to_bytes(2, "big")
        + table
        + b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
        + scan
        + b"\xff\xd9"
    )


def test_lossless_jpeg_is_exact_and_never_by_the_decoder_that_gets_it_wrong(tmp_path, monkeypatch):
    encoded = [lossless_jpeg(frame) for frame in FRAMES]
    path = write_dicom(tmp_path / "a.dcm", FRAMES, syntax=JPEGLosslessSV1, encoded=encoded, FrameTime=40.0)
    np.testing.assert_array_equal(decoded(path), FRAMES)
    decoder = get_decoder(JPEGLosslessSV1)
    monkeypatch.setattr(type(decoder), "available_plugins", property(lambda self: ("pylibjpeg",)))
    with pytest.raises(InputError, match=r"compressed as JPEG Lossless.*python-gdcm"):
        open_video(path)


def film(tmp_path, **options):
    options = {"codec": "libx264", "pix_fmt": "yuv420p", "options": {"bf": "2"}, **options}
    return numbered_video(tmp_path / "film.mp4", 12, **options).read_bytes()


def film_dicom(tmp_path, declared, **fields):
    """A film of 12 frames in a file whose header says how many it has."""
    return write_dicom(
        tmp_path / "a.dcm",
        np.zeros((declared, 48, 64, 3), np.uint8),
        "YBR_PARTIAL_420",
        syntax=MPEG4HP41,
        encoded=[film(tmp_path)],
        **fields,
    )


@pytest.mark.parametrize("fields", [{"FrameTime": 50.0}, {}])
def test_a_film_inside_is_read_as_a_film(tmp_path, fields):
    path = film_dicom(tmp_path, 12, **fields)
    video = open_video(path)
    np.testing.assert_allclose(video.times_s, np.arange(12) * (0.05 if fields else 0.04))
    assert [number_of(frame) for _, _, frame in video] == list(range(12))


def test_a_film_with_fewer_frames_than_declared_is_refused(tmp_path):
    path = film_dicom(tmp_path, 20, FrameTime=40.0)
    with pytest.raises(InputError, match="12 of the 20 frames that it declares"):
        open_video(path)


def test_a_film_with_more_frames_than_declared_is_read_whole_and_said(tmp_path, capsys):
    path = film_dicom(tmp_path, 9, FrameTime=40.0)
    assert [number_of(frame) for _, _, frame in open_video(path)] == list(range(12))
    assert "its film has 12 frames, and NumberOfFrames says 9: all 12 are read" in capsys.readouterr().err


def test_files_without_preamble_or_meta_header(tmp_path):
    path = write_dicom(tmp_path / "whole.dcm", FRAMES, FrameTime=40.0)
    data = path.read_bytes()
    (tmp_path / "nopreamble.dcm").write_bytes(data[132:])
    ds = pydicom.dcmread(path)
    pydicom.dcmwrite(tmp_path / "IM1", pydicom.Dataset(ds), implicit_vr=True, little_endian=True)
    pydicom.dcmwrite(tmp_path / "IM2", pydicom.Dataset(ds), implicit_vr=False, little_endian=True)
    for name in ("nopreamble.dcm", "IM1", "IM2"):
        assert (tmp_path / name).read_bytes()[128:132] != b"DICM"
        np.testing.assert_array_equal(decoded(tmp_path / name), FRAMES, err_msg=name)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_uncompressed_syntaxes(tmp_path, syntax):
    ds = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", FRAMES, FrameTime=40.0))
    ds.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(tmp_path / "b.dcm", ds, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    np.testing.assert_array_equal(decoded(tmp_path / "b.dcm"), FRAMES)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "60000x60000 pixels, more than"),
        ({"NumberOfFrames": 900_000}, "truncated"),
        ({"FrameTime": 1e-300}, "frames per s, which no scanner has"),
        ({"BitsStored": 40, "BitsAllocated": 40}, "40 bits in 40"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation HSV is not supported"),
    ],
)
def test_impossible_headers_are_one_line(tmp_path, fields, words):
    path = write_dicom(tmp_path / "a.dcm", FRAMES, **{"FrameTime": 40.0, **fields})
    with pytest.raises(InputError, match=words):
        open_video(path)


def test_damage_anywhere_in_the_header_is_one_line_or_the_same_frames(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", FRAMES, FrameTime=40.0)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    header = len(whole) - FRAMES.nbytes
    for _ in range(60):
        data = bytearray(whole)
        data[rng.integers(0, header)] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            assert len(decoded(path)) >= 1
        except InputError as error:
            assert "\n" not in str(error)


def test_bits_elsewhere_than_at_the_end_of_a_pixel_are_refused(tmp_path):
    deep = FRAMES.astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", deep << 8, FrameTime=40.0, BitsStored=12, HighBit=15)
    with pytest.raises(InputError, match=r"12 bits end at bit 15 \(HighBit\)"):
        open_video(path)
    path = write_dicom(tmp_path / "b.dcm", (deep << 4) | 0xF000, FrameTime=40.0, BitsStored=12, HighBit=11)
    np.testing.assert_allclose(decoded(path).astype(int), FRAMES, atol=1)


def test_a_white_that_is_0_hides_no_missing_bits(tmp_path):
    deep = 4095 - FRAMES.astype(np.uint16) * 16
    path = write_dicom(tmp_path / "a.dcm", deep, "MONOCHROME1", FrameTime=40.0)
    with pytest.raises(InputError, match="of 65535"):
        decoded(path)


def test_signed_values_hide_no_missing_bits(tmp_path):
    deep = {"a": FRAMES.astype(np.int16) * 16, "b": FRAMES.astype(np.int16) * 16 - 2048}
    for name, pixels in deep.items():
        path = write_dicom(tmp_path / f"{name}.dcm", pixels, FrameTime=40.0, PixelRepresentation=1)
        with pytest.raises(InputError, match=r"its values reach 3\d\d\d of 65535"):
            decoded(path)
    full = (FRAMES.astype(int) * 257 - 32768).astype(np.int16)
    path = write_dicom(tmp_path / "c.dcm", full, FrameTime=40.0, PixelRepresentation=1)
    np.testing.assert_array_equal(decoded(path), FRAMES)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_colour_of_every_second_pixel_without_compression(tmp_path, syntax):
    pairs = FRAMES.reshape(5, 48, 32, 2)
    stored = np.concatenate([pairs, np.full_like(pairs, 128)], axis=-1)
    path = write_dicom(
        tmp_path / "a.dcm", stored.reshape(5, 48, 64, 2), "YBR_FULL_422", FrameTime=40.0, SamplesPerPixel=3,
        PlanarConfiguration=0,
    )  # fmt: skip
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(path, ds, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    np.testing.assert_allclose(decoded(path).astype(int), FRAMES, atol=1)


@pytest.mark.parametrize("stored", ["YBR_FULL", "RGB"])
@pytest.mark.parametrize("tagged", ["YBR_FULL", "RGB"])
@pytest.mark.parametrize("planar", [0, 1])
def test_the_tag_of_a_grey_picture_in_colour_may_be_wrong(tmp_path, stored, tagged, planar):
    chroma = np.full_like(FRAMES, 128)
    parts = [FRAMES, chroma, chroma] if stored == "YBR_FULL" else [FRAMES] * 3
    pixels = np.stack(parts, axis=-1)
    if planar:
        pixels = np.stack(parts, axis=1).reshape(pixels.shape)
    path = write_dicom(tmp_path / "a.dcm", pixels, tagged, FrameTime=40.0, PlanarConfiguration=planar)
    np.testing.assert_allclose(decoded(path).astype(int), FRAMES, atol=1)


def test_frames_that_the_header_leaves_out_are_not_lost(tmp_path):
    coded = []
    for frame in FRAMES:
        buffer = BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG")
        coded.append(buffer.getvalue())
    for said in (1, 3):
        plain = write_dicom(tmp_path / "a.dcm", FRAMES, FrameTime=40.0, NumberOfFrames=said)
        jpeg = write_dicom(
            tmp_path / "b.dcm", FRAMES, syntax=JPEGBaseline8Bit, encoded=coded, FrameTime=40.0, NumberOfFrames=said
        )
        for path in (plain, jpeg):
            with pytest.raises(InputError, match=f"its pixels are 5 frames, and NumberOfFrames says {said}"):
                open_video(path)


def test_a_single_image_may_say_that_it_has_0_frames(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", FRAMES[:1], NumberOfFrames=0)
    np.testing.assert_array_equal(decoded(path), FRAMES[:1])
    with pytest.raises(InputError, match="NumberOfFrames is '0'"):
        open_video(write_dicom(tmp_path / "b.dcm", FRAMES, NumberOfFrames=0, FrameTime=40.0))


def test_the_shape_of_the_pixels_is_obeyed(tmp_path):
    wide = np.repeat(FRAMES, 2, axis=2)  # of pixels twice as high as wide
    path = write_dicom(tmp_path / "a.dcm", wide, FrameTime=40.0, PixelAspectRatio=[2, 1])
    assert open_video(path).size == FRAMES.shape[:0:-1]
    np.testing.assert_array_equal(decoded(path), FRAMES)
    for ratio in ([0, 1], [1, 0], [1000, 1]):
        path = write_dicom(tmp_path / "b.dcm", FRAMES, FrameTime=40.0, PixelAspectRatio=ratio)
        with pytest.raises(InputError, match="PixelAspectRatio is"):
            open_video(path)


def test_a_codestream_that_is_signed_otherwise_than_its_header_says():
    """pydicom's own file, which its iterator over frames once could not give."""
    path = get_testdata_file("J2K_pixelrep_mismatch.dcm")
    wanted = pydicom.dcmread(path).pixel_array.astype(float)
    (frame,) = decoded(path)
    assert np.corrcoef(frame.ravel(), wanted.ravel())[0, 1] > 0.999


def test_pixels_that_no_decoder_supports_are_not_called_damaged():
    path = get_testdata_file("JPEG-lossy.dcm")
    with pytest.raises(
        InputError, match=r"are 12 bits compressed as JPEG Extended.*no decoder supports: export it unco"
    ):
        decoded(path)
