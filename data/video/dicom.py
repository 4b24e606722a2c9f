"""DICOM images and films through pydicom: frame times, and grey frames one at a time."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_fragments, generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import get_decoder, iter_pixels, pixel_array
from pydicom.pixels.processing import apply_color_lut

from common.console import notice
from common.errors import InputError, in_words
from data.frames import grey_frame, resize_frame
from data.video.clip import Video, check_size
from data.video.dicom_count import stored_frames
from data.video.dicom_jpeg import decode_jpeg_frame, is_chroma
from data.video.dicom_times import EXPORT_AGAIN, frame_times, number
from data.video.images import check_range

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
_NEEDED = ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated", "BitsStored")
_FILMS = (*uid.MPEGTransferSyntaxes,)
_JPEG_8_BIT = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
# Tried in this order. pylibjpeg-libjpeg is left out: it decodes the lossless JPEG of real
# ultrasound wrongly (its issue 90: mean grey 179.8 where GDCM gives 97.8).
_PLUGINS = ("pydicom", "pillow", "gdcm", "pyjpegls", "jpeg_ls")
_J2K_PLUGINS = (*_PLUGINS, "pylibjpeg")
_MAX_FRAMES = 1_000_000
_MAX_INFLATED = 1 << 30


def open_dicom(path: Path, fps: float | None = None) -> Video:
    """Open a DICOM image or film; the pixels are not read yet.

    Times come from FrameTimeVector, FrameTime (both ms), CineRate or
    RecommendedDisplayFrameRate (DICOM PS3.3 C.7.6.5); `fps` where there is none, or none that
    can be used. MONOCHROME1 is inverted, colour and palettes become grey, more than 8 bits are
    scaled over the range of the stored bits (no window is applied), MPEG films inside are read
    as films. A file without preamble or meta header is read by what its elements say.

    Raises:
        InputError: no DICOM, no pixels, no frame times, truncated, or compressed in a way
            that no installed decoder reads.
    """
    header = _read(path, stop_before_pixels=True)
    syntax = _syntax(path, header)
    _check_header(path, header)
    size = (_whole(path, header, "Columns"), _whole(path, header, "Rows"))
    check_size(path, *size)
    count = _count(path, header, syntax)
    if syntax in _FILMS:
        return _open_film(path, header, count, fps)
    _check_decoder(path, syntax)
    times_s, last_s = frame_times(path, header, count, fps)
    _check_whole(path, header, syntax, count)
    shown = (max(1, round(size[0] * _stretch(path, header))), size[1])
    check_size(path, *shown)

    def decode() -> Iterator[np.ndarray]:
        return (resize_frame(frame, shown[::-1]) for frame in _decode(path, header, syntax, count))

    return Video(path, shown, times_s, float(times_s[-1]) + last_s, decode)


def _stretch(path: Path, header: FileDataset) -> float:
    """By how much a viewer widens the picture: PixelAspectRatio is a pixel's height and width (PS3.3 C.7.6.3.1.7)."""
    value = header.get("PixelAspectRatio")
    if value in (None, ""):
        return 1.0
    try:
        height, width = (int(part) for part in value)
        ratio = width / height
    except (TypeError, ValueError, ZeroDivisionError):
        ratio = 0.0
    if not 0.1 < ratio < 10:
        raise InputError(f"{path}: the DICOM field PixelAspectRatio is {str(value)[:50]!r}: {EXPORT_AGAIN}")
    return ratio


def _read(path: Path, **options: bool) -> Any:
    with warnings.catch_warnings(action="ignore"):
        try:
            _check_inflated(path)
            found = pydicom.dcmread(path, force=True, **options)
            # pydicom converts an element when it is asked for it: all that is wanted is asked for here.
            for name in (*_NEEDED, "NumberOfFrames", "FrameTimeVector", "FrameTime", "CineRate", "PixelAspectRatio"):
                found.get(name)
        # A file that is none is read as elements of any kind: whatever their conversion raises.
        except InputError:
            raise
        except (InvalidDicomError, EOFError, OSError, MemoryError) as error:
            raise InputError(f"{path}: can't be read as DICOM ({in_words(error)}): {EXPORT_AGAIN}") from error
        except Exception as error:
            raise InputError(
                f"{path}: can't be read as DICOM ({in_words(error)}): it is damaged, {EXPORT_AGAIN}"
            ) from error
    return found


def _check_inflated(path: Path) -> None:
    """Refuse a file of compressed elements that grows beyond `_MAX_INFLATED`: pydicom unpacks it whole."""
    if not _has_meta(path):
        return
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as stream:
        # Preamble, the length of the meta header (12 bytes), and what that counts.
        stream.seek(144 + int(meta.FileMetaInformationGroupLength))
        data = stream.read(1 << 16)
        while data and size <= _MAX_INFLATED:
            size += len(unpacker.decompress(data, 1 << 22))
            data = unpacker.unconsumed_tail or stream.read(1 << 16)
    if size > _MAX_INFLATED:
        raise InputError(f"{path}: unpacks to more than {_MAX_INFLATED >> 20} MB: export it uncompressed")


def _syntax(path: Path, header: FileDataset) -> uid.UID:
    """The transfer syntax; without a meta header, the one that the elements were read by."""
    meta = getattr(header, "file_meta", None)
    found = meta.get("TransferSyntaxUID") if meta is not None else None
    if found:
        return uid.UID(found)
    if header.get("Rows") in (None, ""):
        raise InputError(f"{path}: can't be read as DICOM (no image in it): it is damaged or none, {EXPORT_AGAIN}")
    implicit, little = header.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _check_header(path: Path, header: FileDataset) -> None:
    for field in _NEEDED:
        if header.get(field) in (None, ""):
            raise InputError(f"{path}: the DICOM field {field} is missing: it holds no image, {EXPORT_AGAIN}")
    kind = header.PhotometricInterpretation
    if kind not in (*_GREY, *_COLOUR, _PALETTE) and _syntax(path, header) not in _FILMS:
        raise InputError(f"{path}: PhotometricInterpretation {kind} is not supported: export it as MONOCHROME2 or RGB")
    allocated, stored = _whole(path, header, "BitsAllocated"), _whole(path, header, "BitsStored")
    if allocated not in (8, 16) or not 1 < stored <= allocated:
        raise InputError(f"{path}: has {stored} bits in {allocated} a pixel: export it with 8 or 16 bits")
    high = header.get("HighBit")
    if high not in (None, "", stored - 1):
        raise InputError(
            f"{path}: its {stored} bits end at bit {high} (HighBit), and pixels must begin at bit 0: {EXPORT_AGAIN}"
        )


def _whole(path: Path, header: FileDataset, field: str, missing: int | None = None) -> int:
    """A whole number above 0 of the header."""
    value = header.get(field)
    if value in (None, "") and missing is not None:
        return missing
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number <= _MAX_FRAMES:
        raise InputError(f"{path}: the DICOM field {field} is {str(value)[:50]!r}, no usable number: {EXPORT_AGAIN}")
    return number


def _count(path: Path, header: FileDataset, syntax: uid.UID) -> int:
    """Number of frames; some devices write that a single image has 0."""
    alone = header.get("NumberOfFrames") == 0 and _stored_frames(path, header, syntax) == 1
    return 1 if alone else _whole(path, header, "NumberOfFrames", 1)


def _check_decoder(path: Path, syntax: uid.UID) -> None:
    if _plugin(syntax) is None:
        cure = "export it uncompressed, or install python-gdcm (pip install python-gdcm)"
        raise InputError(
            f"{path}: its pixels are compressed as {syntax.name}, for which no decoder is installed: {cure}"
        )


def _plugin(syntax: uid.UID) -> str | None:
    """The decoder to use, "" where none is needed, None where none is installed."""
    if not syntax.is_transfer_syntax:
        return None
    if not syntax.is_compressed:
        return ""
    try:
        there = get_decoder(syntax).available_plugins
    except NotImplementedError:
        return None
    wanted = _J2K_PLUGINS if syntax in uid.JPEG2000TransferSyntaxes else _PLUGINS
    return next((plugin for plugin in wanted if plugin in there), None)


def _check_whole(path: Path, header: FileDataset, syntax: uid.UID, count: int) -> None:
    stored = _stored_frames(path, header, syntax)
    if stored is not None and stored > count:
        raise InputError(
            f"{path}: its pixels are {stored} frames, and NumberOfFrames says {count}: correct it, or {EXPORT_AGAIN}"
        )
    if syntax.is_compressed or syntax == uid.DeflatedExplicitVRLittleEndian:
        return
    needed, found = count * _frame_bytes(header), path.stat().st_size
    if found < needed:
        raise InputError(
            f"{path}: truncated, {found} bytes where {count} frames need {needed}: copy or export it again"
        )


def _stored_frames(path: Path, header: FileDataset, syntax: uid.UID) -> int | None:
    """Frames in the pixel data, None where they can't be counted."""
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return None
    with warnings.catch_warnings(action="ignore"):
        return stored_frames(path, _frame_bytes(header))


def _frame_bytes(header: FileDataset) -> int:
    samples = 2 if header.PhotometricInterpretation == "YBR_FULL_422" else int(header.get("SamplesPerPixel") or 1)
    return int(header.Rows) * int(header.Columns) * samples * int(header.BitsAllocated) // 8


def _open_film(path: Path, header: FileDataset, count: int, fps: float | None) -> Video:
    """MPEG-2, H.264 or H.265 inside: the header's times, the film's frames."""
    from data.video.container import open_stream

    data = _film_bytes(path)
    size, frames, rate, decode = open_stream(path, data)
    said = [number(path, header, field) for field in ("FrameTime", "CineRate", "RecommendedDisplayFrameRate")]
    if frames < count:
        raise InputError(
            f"{path}: its film has {frames} of the {count} frames that it declares: copy or {EXPORT_AGAIN}"
        )
    if frames > count:
        notice(f"{path}: its film has {frames} frames, and NumberOfFrames says {count}: all {frames} are read")
    if header.get("FrameTimeVector") is None and not any(said) and fps is None and rate:
        times_s, last_s = np.arange(frames) / rate, 1 / rate
    else:
        times_s, last_s = frame_times(path, header, frames, fps)
    return Video(path, size, times_s, float(times_s[-1]) + last_s, decode)


def _film_bytes(path: Path) -> bytes:
    pixels = _read(path).get("PixelData")
    if not pixels:
        raise InputError(f"{path}: holds no pixels: {EXPORT_AGAIN}")
    try:
        fragments = list(generate_fragments(pixels))
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: its film can't be taken out ({in_words(error)}): {EXPORT_AGAIN}") from error
    # The first fragment is the table of offsets, which a film has no use for.
    return b"".join(fragments[1:])


def _decode(path: Path, header: FileDataset, syntax: uid.UID, count: int) -> Iterator[np.ndarray]:
    with warnings.catch_warnings(action="ignore"):
        try:
            yield from _grey_frames(path, header, _arrays(path, header, syntax, count))
        except InputError:
            raise
        # pydicom and its decoders raise what they like on damaged pixels.
        except Exception as error:
            if "does not support" in str(error):
                raise InputError(
                    f"{path}: its pixels are {header.BitsStored} bits compressed as {syntax.name}, which no decoder "
                    "supports: export it uncompressed"
                ) from error
            raise InputError(
                f"{path}: its pixels can't be decoded ({in_words(error)}): it is truncated or damaged, {EXPORT_AGAIN}"
            ) from error


def _arrays(path: Path, header: FileDataset, syntax: uid.UID, count: int) -> Iterator[np.ndarray]:
    """Pixels of each frame: grey, RGB, or an index into a palette."""
    if syntax in _JPEG_8_BIT and int(header.BitsStored) == 8 and int(header.get("SamplesPerPixel") or 1) == 3:
        tagged_rgb = header.PhotometricInterpretation == "RGB"
        for coded in generate_frames(_read(path).PixelData, number_of_frames=count):
            yield decode_jpeg_frame(coded, tagged_rgb)
        return
    source: Any = path
    if not _has_meta(path) or syntax == uid.DeflatedExplicitVRLittleEndian:
        # pydicom then wants the whole file, and without a meta header the syntax that it was read by.
        source = _read(path)
        source.file_meta = getattr(source, "file_meta", None) or FileMetaDataset()
        source.file_meta.TransferSyntaxUID = syntax
    # pydicom gives colour as RGB, except for the two wavelet kinds, whose decoders do so themselves.
    kind = header.PhotometricInterpretation
    as_stored = kind == "YBR_FULL" and syntax not in (*_JPEG_8_BIT, *uid.JPEG2000TransferSyntaxes)
    if (kind == "YBR_FULL_422" and not syntax.is_compressed) or syntax in uid.JPEG2000TransferSyntaxes:
        # pydicom's iterator takes a frame of the first for half as long again as it is, and writes into an array that
        # can't be written to where the second is signed otherwise than the header says.
        given = {"decoding_plugin": _plugin(syntax) or "", "raw": as_stored}
        source = _read(path) if source is path else source
        frames = (pixel_array(source, index=index, **given) for index in range(count))
    else:
        frames = iter_pixels(source, decoding_plugin=_plugin(syntax) or "", raw=as_stored)
    for pixels in frames:
        colour = pixels.ndim == 3 and pixels.dtype == np.uint8
        # The first component is the luma, also of a grey picture whose RGB was tagged YBR_FULL.
        yield pixels[..., 0] if colour and (as_stored or (kind == "RGB" and is_chroma(pixels))) else pixels


def _has_meta(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _grey_frames(path: Path, header: FileDataset, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    bits = int(header.BitsStored)
    if header.PhotometricInterpretation == _PALETTE:
        table_bits = int(header.RedPaletteColorLookupTableDescriptor[2])
        for pixels in frames:
            yield _from_palette(pixels, header, table_bits)
        return
    highest, lowest = -1, 1 << bits
    signed = bool(int(header.get("PixelRepresentation") or 0))
    for pixels in frames:
        if pixels.dtype != np.uint8 or bits != 8:
            values = pixels.astype(np.int64) + ((1 << (bits - 1)) if signed else 0)
            highest, lowest = max(highest, int(values.max())), min(lowest, int(values.min()))
            pixels = np.clip(np.rint(values * (255 / ((1 << bits) - 1))), 0, 255).astype(np.uint8)
        frame = grey_frame(pixels)
        yield 255 - frame if header.PhotometricInterpretation == "MONOCHROME1" else frame
    # Signed values begin anywhere: what they use of their range is how far they reach from there.
    check_range(path, highest - lowest if signed else highest, (1 << bits) - 1)


def _from_palette(pixels: np.ndarray, header: FileDataset, table_bits: int) -> np.ndarray:
    colour = apply_color_lut(pixels, header)
    # Tables of 16 bits often hold 8-bit values; apply_color_lut spreads 8-bit tables itself.
    if colour.dtype != np.uint8:
        shift = 8 if table_bits > 8 and int(colour.max()) > 255 else 0
        colour = (colour >> shift).astype(np.uint8)
    return grey_frame(colour)
