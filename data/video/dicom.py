"""Multi-frame DICOM through pydicom: frame times, and grey frames one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import get_decoder, iter_pixels

from common.errors import InputError
from data.frames import grey_frame
from data.video.read import Video

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def open_dicom(path: Path, fps: float | None = None) -> Video:
    """Open a DICOM image or film; the pixels are not read yet.

    Times come from FrameTimeVector, FrameTime (both ms), CineRate or
    RecommendedDisplayFrameRate (DICOM PS3.3 C.7.6.5); `fps` where there is none.
    MONOCHROME1 is inverted, colour becomes grey, more than 8 bits are scaled over the
    range of the stored bits (no window is applied).

    Raises:
        InputError: no DICOM, no pixels, no frame times, truncated, or compressed in a way
            that no installed decoder reads.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, EOFError) as error:
        raise InputError(f"{path}: can't be read as DICOM ({error}): export it again") from error
    _check_header(path, header)
    count = int(header.get("NumberOfFrames") or 1)
    times_s, last_s = _times(path, header, count, fps)
    _check_whole(path, header, count)
    size = (int(header.Columns), int(header.Rows))
    return Video(path, size, times_s, float(times_s[-1]) + last_s, lambda: _decode(path, header))


def _check_header(path: Path, header) -> None:
    for field in ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated", "BitsStored"):
        if header.get(field) in (None, ""):
            raise InputError(f"{path}: the DICOM field {field} is missing: it holds no image, export it again")
    kind = header.PhotometricInterpretation
    if kind not in (*_GREY, *_COLOUR):
        raise InputError(f"{path}: PhotometricInterpretation {kind} is not supported: export it as MONOCHROME2 or RGB")
    syntax = header.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise InputError(f"{path}: the DICOM field TransferSyntaxUID is missing: export it again")
    if not _has_decoder(syntax):
        raise InputError(
            f"{path}: its pixels are compressed as {syntax.name}, for which no decoder is installed: "
            "export it uncompressed, or install pylibjpeg with its codecs"
        )


def _has_decoder(syntax) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def _check_whole(path: Path, header, count: int) -> None:
    if header.file_meta.TransferSyntaxUID.is_compressed:
        return
    samples = 2 if header.PhotometricInterpretation == "YBR_FULL_422" else int(header.get("SamplesPerPixel") or 1)
    needed = count * int(header.Rows) * int(header.Columns) * samples * int(header.BitsAllocated) // 8
    found = path.stat().st_size
    if found < needed:
        raise InputError(
            f"{path}: truncated, {found} bytes where {count} frames need {needed}: copy or export it again"
        )


def _times(path: Path, header, count: int, fps: float | None) -> tuple[np.ndarray, float]:
    """Times of the frames, s, the first 0; and how long the last one stays, s."""
    vector = header.get("FrameTimeVector")
    frame_ms = header.get("FrameTime")
    rate = header.get("CineRate") or header.get("RecommendedDisplayFrameRate")
    if fps is not None and (vector is not None or frame_ms or rate):
        raise InputError(f"{path}: fps {fps:g} is given, but this DICOM tells its frame times: leave fps empty")
    if vector is not None and count > 1:
        steps_s = np.atleast_1d(np.asarray(vector, dtype=np.float64))[1:] / 1000
        if len(steps_s) != count - 1 or np.any(steps_s <= 0):
            raise InputError(
                f"{path}: FrameTimeVector has {len(steps_s) + 1} entries for {count} frames, or one that is "
                "not above 0: export it again"
            )
        return np.concatenate([[0.0], np.cumsum(steps_s)]), float(np.median(steps_s))
    interval_s = float(frame_ms) / 1000 if frame_ms else 1 / float(rate or fps or np.inf)
    if count > 1 and not interval_s > 0:
        raise InputError(
            f"{path}: has {count} frames and neither FrameTimeVector, FrameTime nor CineRate: "
            "give its frame rate in the manifest's column fps"
        )
    return np.arange(count) * interval_s, interval_s


def _decode(path: Path, header) -> Iterator[np.ndarray]:
    # pydicom gives colour as RGB, except for the two wavelet kinds, whose decoders do so themselves.
    try:
        for pixels in iter_pixels(path):
            yield _grey(pixels, header)
    except (AttributeError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: its pixels can't be decoded ({error}): it is truncated or damaged, export it again"
        ) from error


def _grey(pixels: np.ndarray, header) -> np.ndarray:
    bits = int(header.BitsStored)
    if pixels.dtype != np.uint8 or bits != 8:
        values = pixels.astype(np.int64)
        if int(header.get("PixelRepresentation") or 0):
            values += 1 << (bits - 1)
        pixels = np.clip(np.rint(values * (255 / ((1 << bits) - 1))), 0, 255).astype(np.uint8)
    frame = grey_frame(pixels)
    return 255 - frame if header.PhotometricInterpretation == "MONOCHROME1" else frame
