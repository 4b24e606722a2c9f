"""An H.264 MP4 whose frames keep their times."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from common.errors import InputError

CODEC = "libx264"
_CLOCK_HZ = 90_000
_QUALITY = {"crf": "20", "preset": "veryfast"}


class Film:
    """Frames in, a file out; `open_film` opens and closes it."""

    def __init__(self, container: av.container.OutputContainer, stream: av.VideoStream) -> None:
        self._container, self._stream = container, stream
        self._last = -1

    def add(self, picture: np.ndarray, time_s: float) -> None:
        """Append a frame.

        Args:
            picture: uint8 [h, w, 3], RGB, of the film's size.
            time_s: when it is shown, s; later than the frame before.
        """
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        # Two frames of a coarse clock may have one time, and a player needs two.
        self._last = frame.pts = max(round(time_s * _CLOCK_HZ), self._last + 1)
        frame.time_base = Fraction(1, _CLOCK_HZ)
        self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextlib.contextmanager
def open_film(path: Path, size: tuple[int, int]) -> Iterator[Film]:
    """A film that is written while the block runs.

    Args:
        path: of the MP4.
        size: (width, height), pixels, both even.

    Raises:
        InputError: this PyAV has no H.264 encoder.
    """
    if CODEC not in av.codecs_available:
        raise InputError(f"{path}: this build of PyAV has no {CODEC} to write H.264: install the wheel from PyPI")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(CODEC, options=_QUALITY)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK_HZ)
        film = Film(container, stream)
        yield film
        film.end()
