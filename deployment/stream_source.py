"""A live stream through PyAV: a thread decodes, and whoever asks gets the newest frame."""

from __future__ import annotations

import dataclasses
import errno
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from common.errors import InputError, in_words
from data.video.clip import check_size
from data.video.container import display_matrix, square_width, upright

PROTOCOLS = ("udp", "rtp", "rtsp", "tcp", "http", "https")
CAMERA = "/dev/"
# Nothing is held back: a frame that waits in a buffer is late.
_LOW_DELAY = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "1000000", "probesize": "1000000"}
_OF_PROTOCOL = {
    "udp": {"overrun_nonfatal": "1", "fifo_size": "28000"},
    "rtsp": {"rtsp_transport": "tcp"},
}
_POLL_S = 0.2


@dataclasses.dataclass(frozen=True)
class Arrived:
    """A decoded frame.

    Attributes:
        number: of the frame among those decoded, from 0.
        time_s: its presentation time after the first frame, s.
        decoded_at: `time.perf_counter()` when the decoder gave it.
        frame: of PyAV. width: at which its pixels are square. matrix: which way up it is.
    """

    number: int
    time_s: float
    decoded_at: float
    frame: Any
    width: int
    matrix: tuple[int, ...] | None

    def picture(self) -> np.ndarray:
        """uint8 [h, w], grey, upright; converted when it is asked for, so that a dropped frame costs nothing."""
        return upright(self.frame, self.width, self.matrix)


class LiveStream:
    """Opens a stream and decodes it in a thread of its own; `newest` waits for a frame that was not given yet.

    Args:
        name: URL or camera.
        options: NAME=VALUE of FFmpeg; they win over the ones set here.
        timeout_s: for the connection, and between two frames.

    Raises:
        InputError: a stream that can't be opened, never answers, or holds no video.
    """

    def __init__(self, name: str, options: Sequence[str] = (), timeout_s: float = 10.0) -> None:
        self.name, self.dropped, self.decoded = name, 0, 0
        self._timeout_s = timeout_s
        self._container = _open(name, dict(word.split("=", 1) for word in options), timeout_s)
        self._newest: Arrived | None = None
        self._error: Exception | None = None
        self._ended = self._stop = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="stream", daemon=True)
        self._thread.start()

    def newest(self, until: float = math.inf) -> Arrived | None:
        """The newest frame; those that came before it and were not asked for are dropped, and counted.

        Args:
            until: `time.perf_counter()` from which it is not waited for.

        Returns:
            None when the sender has ended the stream, or from `until` on.

        Raises:
            InputError: no frame for `timeout_s`, or a stream that broke.
        """
        deadline = time.perf_counter() + self._timeout_s
        with self._changed:
            while self._newest is None:
                if self._error is not None:
                    raise _broken(self.name, self._error, self.decoded, self._timeout_s) from self._error
                if self._ended:
                    return None
                left_s = until - time.perf_counter()
                if left_s <= 0:
                    return None
                if time.perf_counter() > deadline:
                    raise InputError(
                        f"{self.name}: no frame for {self._timeout_s:g} s, after {self.decoded}: the sender has "
                        "stopped, or the network drops what it sends"
                    )
                self._changed.wait(min(_POLL_S, left_s))  # in steps, so that Ctrl-C is heard
            arrived, self._newest = self._newest, None
            return arrived

    def close(self) -> None:
        """Stop decoding; a thread that waits for a dead sender ends with its timeout, or with the process."""
        self._stop = True
        self._thread.join(1.0)

    def _read(self) -> None:
        first_s, matrix = None, None
        try:
            with self._container as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_type = "SLICE"  # threads over frames would hold frames back
                width = square_width(stream)
                for frame in container.decode(stream):
                    if self._stop:
                        return
                    now = time.perf_counter()
                    shown_s = frame.time if frame.time is not None else now
                    if first_s is None:
                        first_s, matrix = shown_s, display_matrix(self.name, frame)
                    self._put(Arrived(self.decoded, float(shown_s - first_s), now, frame, width, matrix))
        except Exception as error:  # whatever it is, the thread that asks must hear of it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _put(self, arrived: Arrived) -> None:
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = arrived
            self.decoded += 1
            self._changed.notify()


def _open(name: str, options: dict[str, str], timeout_s: float) -> av.container.InputContainer:
    protocol = name.partition("://")[0].casefold() if "://" in name else ""
    camera = name.startswith(CAMERA)
    if not camera and protocol not in PROTOCOLS:
        raise InputError(
            f"{name}: is no stream: give a URL ({', '.join(f'{p}://' for p in PROTOCOLS)}) or a camera such as "
            f"{CAMERA}video0; a file is given without stream"
        )
    given = {**({} if camera else _LOW_DELAY), **_OF_PROTOCOL.get(protocol, {}), **options}
    kind = {"format": "v4l2"} if camera else {}
    try:
        container = av.open(name, options=given, timeout=(timeout_s, timeout_s), metadata_errors="replace", **kind)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _not_opened(name, error, timeout_s) from error
    if not container.streams.video or not container.streams.video[0].codec_context.width:
        container.close()
        raise InputError(f"{name}: holds no video: send a video stream")
    context = container.streams.video[0].codec_context
    check_size(name, context.width, context.height)
    return container


def _not_opened(name: str, error: Exception, timeout_s: float) -> InputError:
    number = getattr(error, "errno", None)
    if isinstance(error, (av.error.ExitError, TimeoutError)) or number in (errno.ETIMEDOUT, errno.EAGAIN):
        return InputError(f"{name}: no answer within {timeout_s:g} s: is the sender running, and is the port right?")
    if number == errno.EBUSY:
        return InputError(f"{name}: the camera is busy: another program uses it, close that one")
    if number == errno.ENOENT:
        return InputError(f"{name}: there is no such camera: see which there are by ls /dev/video*")
    if number in (errno.EACCES, errno.EPERM):
        return InputError(f"{name}: permission denied: may this user read the camera (group video)?")
    return InputError(f"{name}: can't be opened ({in_words(error)}): is the sender running, and is the address right?")


def _broken(name: str, error: Exception, decoded: int, timeout_s: float) -> InputError:
    if isinstance(error, InputError):
        return error
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return InputError(f"{name}: no frame for {timeout_s:g} s, after {decoded}: the sender has stopped")
    return InputError(f"{name}: broke off after {decoded} frames ({in_words(error)}): start the sender again")
