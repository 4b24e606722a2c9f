"""Single images, GIFs and TIFF stacks as grey frames: the one place that reads image files."""

from __future__ import annotations

import contextlib
import math
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from common.errors import InputError, in_words
from common.files import path_kind
from data.filetypes import file_kind
from data.frames import grey_frame
from data.gaze.clock import UNITS_S, unit_named
from data.video.clip import RateMissing, Video, check_fps, check_size

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
# Readers that take a picture for what it is; others of Pillow run programs or read documents.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# A 16-bit image that never reaches an eighth of its range holds fewer bits (12 in 16).
_FULL_RANGE = 65535
_USED = 8192
_BROKEN = "it is damaged or no image, export it again"
# What axes of a TIFF are a sequence of pictures: time, depth, and those that nobody named.
_STACK_AXES = "TZIQ"
_BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT = 258, 262, 277, 284, 338, 339


def is_image(head: bytes) -> bool:
    """Whether a file begins as one of the image formats that are read here."""
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Grey uint8 [h, w] of one image file (png, jpg, bmp, tif, webp), upright as a viewer shows it.

    Raises:
        InputError: missing, damaged or truncated, too large, several pictures in one file, or
            values that use a small part of their bits.
    """
    frame, peak = read_with_peak(Path(path))
    check_range(Path(path), peak, _FULL_RANGE)
    return frame


def read_with_peak(path: Path) -> tuple[np.ndarray, int]:
    """As `read_image`, and the highest of its 16-bit values, -1 for 8 bits: one frame of a clip may be dark.

    Raises:
        InputError: as `read_image`, but for the range.
    """
    count, *_ = _survey(path, None)
    if count != 1:
        raise InputError(f"{path}: holds {count} pictures, and one is expected: export one image per file")
    (found,) = _decode_with_peaks(path, 1)
    return found


def open_image(path: Path, fps: float | None) -> Video:
    """Open an image file: one frame at time 0, an animation with its own times, or a stack.

    Args:
        path: of the file.
        fps: frames per s of a TIFF stack or an animation that tells none.

    Raises:
        InputError: as `read_image`; a stack without a rate, or a rate for a file with times.
    """
    count, size, times_s, duration_s = _survey(path, fps)
    if count == 1:
        # A single image is small enough to be checked whole.
        read_image(path)
    return Video(path, size, times_s, duration_s, lambda: _decode(path, count))


def _survey(path: Path, fps: float | None) -> tuple[int, tuple[int, int], np.ndarray, float]:
    """Number of pictures, (width, height) upright, their times, s, and the end of the last one."""
    if path_kind(path) != "file":
        raise InputError(f"{path}: there is no such image: check the path")
    with _readable(path), _opened(path) as image:
        count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
        if image.format == "TIFF":
            _check_planes(path, image)
            _check_pages(path, count)
        size = _upright_size(image)
        check_size(path, *size)
        times_s, duration_s = _times(path, image, count, fps)
    return count, size, times_s, duration_s


def _times(path: Path, image: Image.Image, count: int, fps: float | None) -> tuple[np.ndarray, float]:
    """Times of the frames, s, the first 0, and the end of the last one."""
    steps_s, missing = np.zeros(1), ""
    if image.format == "TIFF" and count > 1:
        rate, missing = _stack_rate(path, count), f"is a stack of {count} pictures and tells no frame rate"
        fps = fps or rate
    elif count > 1:
        steps_s, missing = _steps(image, count), f"has {count} frames and not every one says how long it stays"
    if count > 1 and not (steps_s > 0).all():
        if fps is None:
            raise RateMissing(f"{path}: {missing}: give fps (in a manifest, its column fps)")
        check_fps(path, fps)
        return np.arange(count) / fps, count / fps
    if fps is not None:
        raise InputError(
            f"{path}: fps {fps:g} is given, but this "
            + ("animation has times of its own" if count > 1 else "is one image")
            + ": leave fps empty"
        )
    ends_s = np.cumsum(steps_s)
    return ends_s - steps_s, float(ends_s[-1])


def _check_planes(path: Path, image: Any) -> None:
    """Refuse what may be frames or colours: programs that guess from the count write three grey frames like that.

    And signed values, of which Pillow takes the bits.
    """
    tags = image.tag_v2
    planar, samples = tags.get(_PLANAR, 1), tags.get(_SAMPLES, 1)
    if set(tags.get(_SAMPLE_FORMAT, (1,))) & {2, 5, 6}:
        raise InputError(f"{path}: has signed or complex pixels: export it as 8 or 16 bits grey without a sign")
    unnamed = tags.get(_PHOTOMETRIC) in (0, 1) and 0 in tags.get(_EXTRA, ())
    if (planar == 2 or unnamed) and samples > 1:
        raise InputError(
            f"{path}: holds {samples} planes one after the other, which may be the colours of one picture or as many "
            "frames: export frames as a stack of grey pages, or one picture with interleaved colours"
        )


def _check_pages(path: Path, count: int) -> None:
    """Refuse a stack of which only the first page is listed, as ImageJ writes large ones: one frame would be read."""
    if count > 1:
        return
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            first = file.series[0]
            pages, axes = math.prod(n for axis, n in zip(first.axes, first.shape) if axis not in "YXS"), first.axes
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, struct.error):
        return  # Pillow reads it, or says what is wrong
    if pages > 1:
        raise InputError(
            f"{path}: describes {pages} pictures (axes {axes}) and lists one: export it as a stack whose pages are all "
            "listed, or as numbered PNGs"
        )


def _steps(image: Image.Image, count: int) -> np.ndarray:
    """How long each frame of an animation stays, s."""
    steps = []
    for index in range(count):
        image.seek(index)
        if image.format == "WEBP":
            image.load()  # which is when it says how long it stays
        steps.append(float(image.info.get("duration", 0) or 0) / 1000)
    image.seek(0)
    return np.array(steps)


def _stack_rate(path: Path, count: int) -> float | None:
    """Frames per s that ImageJ wrote into a stack; refuses axes that are no sequence of pictures."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        axes, shape = file.series[0].axes, file.series[0].shape
        if len(file.series) == 1:
            long = [axis for axis, n in zip(axes, shape) if axis not in "YXS" and n > 1]
            if len(long) > 1 or any(axis not in _STACK_AXES for axis in long):
                raise InputError(
                    f"{path}: has {count} pictures along the axes {', '.join(long)}, which are no film: export one "
                    "channel and one slice, as a stack of frames or numbered PNGs"
                )
        about: dict[str, Any] = file.imagej_metadata or {}
    interval, rate = about.get("finterval"), about.get("fps")
    if isinstance(interval, (int, float)) and interval > 0:
        unit = unit_named(str(about.get("tunit", "sec")))
        return 1 / (float(interval) * UNITS_S[unit]) if unit else None
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 else None


def _decode(path: Path, count: int) -> Iterator[np.ndarray]:
    highest = -1
    for frame, peak in _decode_with_peaks(path, count):
        highest = max(highest, peak)
        yield frame
    check_range(path, highest, _FULL_RANGE)


def _decode_with_peaks(path: Path, count: int) -> Iterator[tuple[np.ndarray, int]]:
    with _readable(path), _opened(path) as image:
        for page in ImageSequence.Iterator(image):
            size = _upright_size(page)
            check_size(path, *size)
            pixels = _pixels(path, page)
            # Of colour in 16 bits Pillow keeps the upper 8.
            unit = 1 if pixels.dtype == np.uint16 else 256 if _is_deep(path, page) else 0
            peak = int(pixels.max()) * unit if unit else -1
            # Pillow turns grey whose 0 is white for 8 bits alone; here after its peak, which would always be high.
            if page.mode.startswith("I;16") and page.format == "TIFF" and page.tag_v2.get(_PHOTOMETRIC) == 0:
                pixels = _FULL_RANGE - pixels
            yield grey_frame(pixels), peak
            count -= 1
            if not count:
                break


def _is_deep(path: Path, page: Any) -> bool:
    """Whether the pixels of a PNG or TIFF have 16 bits in the file."""
    if page.format == "TIFF":
        return 16 in page.tag_v2.get(_BITS, ())
    if page.format != "PNG":
        return False
    with path.open("rb") as stream:
        return stream.read(25)[24:] == b"\x10"


def check_range(path: Path, peak: int, full: int) -> None:
    """Refuse a clip of more than 8 bits whose brightest value is below an eighth of its range: it would be black.

    Args:
        path: for the message.
        peak: the highest value of all frames, -1 for none of more than 8 bits.
        full: the highest value there could be.

    Raises:
        InputError: as said.
    """
    if full > 255 and 0 < peak < (full + 1) // 8:
        raise InputError(
            f"{path}: its values reach {peak} of {full}: it holds fewer bits than its pixels have (12 bits in 16?), "
            "export it as 8 bits, or scale it to the full range"
        )


def _pixels(path: Path, page: Image.Image) -> np.ndarray:
    """uint8 or uint16 [h, w] or uint8 [h, w, 3], turned upright."""
    page.load()
    turned = ImageOps.exif_transpose(page) or page
    mode = turned.mode
    if mode.startswith("I;16"):
        return np.asarray(turned).astype(np.uint16)
    if mode == "I":
        values = np.asarray(turned)
        if values.min() < 0 or values.max() > _FULL_RANGE:
            raise InputError(f"{path}: has 32-bit pixels: export it as 8 or 16 bits")
        return values.astype(np.uint16)
    if mode in ("1", "L", "LA", "La"):
        return np.asarray(turned.convert("L"))
    if mode in ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"):
        return np.asarray(turned.convert("RGBA" if mode == "RGBa" else "RGB"))[..., :3]
    raise InputError(f"{path}: has pixels of the kind {mode}: export it as 8 or 16 bits grey, or RGB")


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    if image.getexif().get(0x0112, 1) not in (5, 6, 7, 8):
        return width, height
    if image.format == "TIFF":
        # Pillow turns TIFFs itself, some versions when they are opened and some when they are loaded.
        turned = ImageOps.exif_transpose(image) or image
        return turned.size
    return height, width


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # By a stream: Pillow maps a named TIFF into memory with its turned width, and garbles it.
    with path.open("rb") as stream:
        image = Image.open(stream, formats=_FORMATS)
        check_size(path, *image.size)
        yield image


class _readable:
    """Turns what Pillow says of a bad file into `InputError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings(action="ignore")
        self._warnings.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warnings.__exit__(kind, error, trace)
        if isinstance(error, InputError) or error is None:
            return
        if isinstance(error, Image.DecompressionBombError):
            raise InputError(
                f"{self._path}: has more pixels than a frame may have: crop or export it smaller"
            ) from error
        # A broken PNG chunk is a SyntaxError in Pillow, a broken TIFF tag a TypeError or KeyError.
        if isinstance(
            error, (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError)
        ):
            found = file_kind(self._path) if isinstance(error, OSError) else None
            if found and not found.is_clip:
                raise InputError(f"{self._path}: is {found.what}: {found.cure}") from error
            raise InputError(f"{self._path}: can't be read as an image ({_words(error)}): {_BROKEN}") from error


def _words(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no kind that is read: 8 or 16 bits grey, or RGB"
    return in_words(error)
