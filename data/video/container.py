"""Container files (mp4, mkv, avi, ...) through PyAV, with their true presentation times."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from common.errors import InputError, in_words
from data.video.avi import frame_chunks
from data.video.clip import Video, check_size
from data.video.ffv1 import packet_is_damaged
from data.video.images import check_range
from data.video.raw_stream import declared_rate, frame_rate, is_raw

# Readers of FFmpeg that take any text or image for a film, or follow what it points to.
_NO_VIDEO_FORMATS = {
    "tty", "image2", "png_pipe", "jpeg_pipe", "bmp_pipe", "tiff_pipe", "gif",
    "hls", "concat", "dash", "sdp", "rtsp", "rtp", "imf", "webvtt", "srt", "ass",
}  # fmt: skip
# Formats whose header tells how long a stream lasts; of others FFmpeg guesses it from the file.
_DECLARE_SPAN = {"mov", "avi", "asf", "flv"}
# Below this, threads cost more than they save.
_PIXELS_FOR_THREADS = 640 * 480
_EXPORT_AGAIN = "copy or export it again"
# A file may hold a video of its own, and nothing that it points to is opened.
_OPTIONS = {"protocol_whitelist": "file"}


def open_container(path: Path, fps: float | None = None) -> Video:
    """Open a container file: the packets are listed, and the first frame tells which way up it is.

    Where a container has no presentation times (AVI), the frame rate gives them; where there is no container
    at all and the stream declares no rate, `fps` does.

    Raises:
        RateMissing: nothing tells the times, and `fps` is None.
        InputError: `fps` for a video with times, no video, or truncated: unreadable, a packet cut short, or fewer
            frames or less time than the file declares.
    """
    with _errors(path), _open(path) as container:
        stream = _video_stream(container, path)
        raw = is_raw(container)
        if fps is not None and not raw:
            raise InputError(
                f"{path}: fps {fps:g} is given, but this clip has times of its own: leave fps empty "
                "(it is for clips that tell none)"
            )
        shape = _Shape(stream)
        check_size(path, shape.width, shape.height)
        declared = _Declared(container, stream)
        packets = _list_packets(container, stream, path)
        starts_s = _starts_s(container, packets)
        rate = declared_rate(container, stream)
        if container.format.name == "avi":
            packets = _avi_times(path, stream, packets, declared)
    if raw:
        packets, rate = _untimed(packets), frame_rate(path, rate, fps)
    if not packets.count:
        raise InputError(f"{path}: holds no frame: {_EXPORT_AGAIN}")
    times_s, last_s = _presentation_times(packets, rate, path)
    _check_whole(path, declared, packets, times_s, last_s)
    size = shape.shown(_first_matrix(path, path))
    check_size(path, *size)
    duration_s = float(times_s[-1]) + last_s
    return Video(path, size, times_s, duration_s, lambda: _decode(path, path, packets.ticks), starts_s)


def open_stream(path: Path, data: bytes) -> tuple[tuple[int, int], int, float, Any]:
    """A video stream in memory, as DICOM holds one.

    Args:
        path: of the file that holds it, for messages. data: the stream.

    Returns:
        (width, height) as shown, its number of frames, its frames per s (0 where it tells
        none), and what gives a fresh iterator over the frames, uint8 [h, w].

    Raises:
        InputError: no video, or damaged.
    """
    with _errors(path), _open(data) as container:
        stream = _video_stream(container, path)
        shape = _Shape(stream)
        check_size(path, shape.width, shape.height)
        rate = declared_rate(container, stream)
        count = _list_packets(container, stream, path).count
    size = shape.shown(_first_matrix(path, data))
    return size, count, rate, lambda: _decode(path, data, None)


@dataclasses.dataclass
class _Packets:
    count: int
    pts: np.ndarray  # int64, ascending, in units of the time base
    all_timed: bool
    time_base_s: float
    last_duration: int  # of the packet shown last, 0 if the file does not say
    ticks: np.ndarray | None  # the pts that decoded frames must have, None where FFmpeg guesses them


class _Declared:
    """What the header promises; None where it promises nothing."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self.frames = stream.frames or None
        self.span_s = None
        kind = container.format.name.split(",")[0]
        # ASF tells how long the file lasts, of which sound may be the longer part.
        if stream.duration and kind in _DECLARE_SPAN and (kind != "asf" or len(container.streams) == 1):
            self.span_s = float(stream.duration * stream.time_base)
        if kind == "mov" and self.frames and self.span_s:
            # Of all frames that are stored an edit list may show some; PyAV before 16.1 doesn't list those.
            self.frames = len(getattr(stream, "index_entries", ())) or None
        # Matroska declares the end time of each stream, or at least of the whole file.
        self.end_s = None
        if "matroska" in container.format.name:
            tag = next((v for k, v in stream.metadata.items() if k.upper() == "DURATION"), None)
            if tag is not None:
                self.end_s = _clock_s(tag)
            elif container.duration and len(container.streams) == 1:
                self.end_s = container.duration / av.time_base


def _clock_s(text: str) -> float | None:
    """Seconds of "00:00:01.5"; None of anything else, since a tag can say what it likes."""
    try:
        hours, minutes, seconds = text.strip("\x00 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


class _Shape:
    """Coded size and the shape of a pixel: what a player stretches the picture by."""

    def __init__(self, stream: av.VideoStream) -> None:
        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        ratio = stream.sample_aspect_ratio
        self.stretch = float(ratio) if ratio and 0.1 < float(ratio) < 10 else 1.0

    def square_width(self) -> int:
        """The width at which pixels are square."""
        return max(1, round(self.width * self.stretch))

    def shown(self, matrix: tuple[int, ...] | None) -> tuple[int, int]:
        """(width, height) as a player shows it."""
        size = (self.square_width(), self.height)
        return size[::-1] if matrix and _is_turned(matrix) else size


def _open(source: Path | bytes) -> av.container.InputContainer:
    if isinstance(source, bytes):
        return av.open(io.BytesIO(source), metadata_errors="replace", options=_OPTIONS)
    # With "file:" before it, a name with a colon is no protocol.
    return av.open(f"file:{source}", metadata_errors="replace", options=_OPTIONS)


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = [s for s in container.streams.video if s.codec_context is not None and s.codec_context.width]
    if container.format.name in _NO_VIDEO_FORMATS or not streams:
        raise InputError(f"{path}: is no video (read as {container.format.name}): give a video file")
    return streams[0]


def _list_packets(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> _Packets:
    shown, latest, last_duration, count, timed = [], None, 0, 0, True
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.is_corrupt:
            raise InputError(f"{path}: truncated or damaged in frame {count}: {_EXPORT_AGAIN}")
        count += 1
        if packet.is_discard:
            continue
        if packet.pts is None:
            timed = False
            continue
        if latest is None or packet.pts > latest:
            latest, last_duration = packet.pts, packet.duration or 0
        shown.append(packet.pts)
    pts = np.sort(np.array(shown, dtype=np.int64)) if timed else np.arange(count, dtype=np.int64)
    return _Packets(count, pts, timed, float(stream.time_base), last_duration, pts if timed else None)


def _untimed(packets: _Packets) -> _Packets:
    """Without FFmpeg's guesses of times."""
    return dataclasses.replace(packets, pts=np.arange(packets.count, dtype=np.int64), all_timed=False, ticks=None)


def _starts_s(container: av.container.InputContainer, packets: _Packets) -> float:
    """How long after the file's first stream its video begins, s; AVI has no times to tell."""
    if container.format.name == "avi" or container.start_time is None or len(container.streams) < 2:
        return 0.0
    if packets.ticks is None or not len(packets.ticks):
        return 0.0
    return max(0.0, float(packets.ticks[0]) * packets.time_base_s - container.start_time / av.time_base)


def _avi_times(path: Path, stream: av.VideoStream, packets: _Packets, declared: _Declared) -> _Packets:
    """AVI has no times: FFmpeg's are guesses from the number of a chunk, wrong with B-frames.

    Frames come in the order of their chunks' numbers, and an empty chunk ("as before") takes
    its place in time.
    """
    chunks = frame_chunks(path, stream.index)
    if chunks is None or sum(chunks) != packets.count:
        whole = np.arange(packets.count, dtype=np.int64)
        return dataclasses.replace(packets, pts=whole, all_timed=True, last_duration=1, ticks=None)
    if declared.frames is not None and len(chunks) >= declared.frames:
        declared.frames = declared.span_s = None
    pts = np.flatnonzero(chunks).astype(np.int64)
    last = len(chunks) - int(pts[-1]) if len(pts) else 1
    return dataclasses.replace(packets, pts=pts, all_timed=True, last_duration=last, ticks=None)


def _presentation_times(packets: _Packets, rate: float, path: Path) -> tuple[np.ndarray, float]:
    """Times of the frames, s, the first 0; and how long the last one stays, s."""
    if not packets.all_timed:
        if not rate:
            raise InputError(f"{path}: has neither times nor a frame rate: {_EXPORT_AGAIN}")
        return packets.pts / rate, 1 / rate
    if not len(packets.pts):
        raise InputError(f"{path}: has no frame that is shown: {_EXPORT_AGAIN}")
    times_s = (packets.pts - packets.pts[0]) * packets.time_base_s
    steps = np.diff(times_s)
    # A clock of whole milliseconds may give two frames one time; all of them is no clock.
    if len(steps) and not steps.any():
        raise InputError(f"{path}: all its frames have the same time: {_EXPORT_AGAIN}")
    if packets.last_duration:
        last_s = packets.last_duration * packets.time_base_s
    elif len(steps):
        last_s = float(np.median(steps[steps > 0]))
    else:
        # FFmpeg's guess for a lone frame; it may be shown for longer.
        last_s = 1 / rate if rate else 0.0
    return times_s, last_s


def _check_whole(path: Path, declared: _Declared, packets: _Packets, times_s: np.ndarray, last_s: float) -> None:
    if declared.frames is not None and packets.count < declared.frames:
        raise InputError(
            f"{path}: truncated, {packets.count} of the {declared.frames} frames that it declares: {_EXPORT_AGAIN}"
        )
    if not packets.all_timed:
        return
    # At a steady rate a single lost frame shows. At a varying one, what the last frame is
    # worth is only known to within the longest frame.
    steps = np.diff(times_s) if len(times_s) > 1 else np.array([last_s])
    typical_s = float(np.median(steps))
    steady = float(np.ptp(steps)) < 0.25 * typical_s
    tolerance_s = 0.75 * typical_s if steady else 1.5 * max(float(steps.max()), last_s)
    span_s = times_s[-1] + last_s
    end_s = packets.pts[-1] * packets.time_base_s + last_s
    for promised, found in ((declared.span_s, span_s), (declared.end_s, end_s)):
        if promised is not None and promised - found > tolerance_s:
            raise InputError(
                f"{path}: truncated, {found:.3f} s of the {promised:.3f} s that it declares: {_EXPORT_AGAIN}"
            )


def _first_matrix(path: Path, source: Path | bytes) -> tuple[int, ...] | None:
    with _errors(path), _open(source) as container:
        for frame in container.decode(_video_stream(container, path)):
            return display_matrix(path, frame)
    raise InputError(f"{path}: not one frame can be decoded: {_EXPORT_AGAIN}")


def _decode(path: Path, source: Path | bytes, ticks: np.ndarray | None) -> Iterator[np.ndarray]:
    with _errors(path), _open(source) as container:
        stream = _video_stream(container, path)
        if stream.codec_context.width * stream.codec_context.height >= _PIXELS_FOR_THREADS:
            stream.thread_type = "AUTO"
        width = square_width(stream)
        # Versions before 3 have no extra data and no checksums.
        ffv1 = stream.codec_context.name == "ffv1" and bool(stream.codec_context.extradata)
        index = coded = 0
        peak = -1
        matrix = None
        for packet in container.demux(stream):
            if ffv1 and packet.size:
                # A damaged frame is refused: a slice whose checksum is wrong would be patched up.
                if packet_is_damaged(bytes(packet)):
                    raise InputError(f"{path}: frame {coded} is damaged, its checksum is wrong: {_EXPORT_AGAIN}")
                coded += 1
            for frame in packet.decode():
                lost = ticks is not None and (index >= len(ticks) or frame.pts != ticks[index])
                if frame.is_corrupt or lost:
                    raise InputError(f"{path}: frame {index} is damaged or lost: {_EXPORT_AGAIN}")
                if index == 0:
                    matrix = display_matrix(path, frame)
                yield upright(frame, width, matrix)
                peak = max(peak, _peak(frame))
                index += 1
    check_range(path, peak, 65535)


def _peak(frame: av.VideoFrame) -> int:
    """The highest luma, scaled to 16 bits, of a frame of more than 8 bits; -1 for 8 bits."""
    if all(component.bits <= 8 for component in frame.format.components):
        return -1
    return int(frame.to_ndarray(format="gray16le").max())


def square_width(stream: av.VideoStream) -> int:
    """The width, pixels, at which a video stream's pixels are square."""
    return _Shape(stream).square_width()


def upright(frame: av.VideoFrame, width: int, matrix: tuple[int, ...] | None) -> np.ndarray:
    """Grey uint8 [h, w] as a player shows a decoded frame: square pixels, turned and mirrored as its stream says.

    Args:
        frame: of PyAV. width: `square_width` of its stream. matrix: `display_matrix` of the stream's first frame.
    """
    stretched = {} if width == frame.width else {"width": width, "height": frame.height}
    grey = frame.to_ndarray(format="gray", **stretched)
    if matrix is None:
        return grey
    a, b, c, d = matrix
    # The matrix takes a coded place (x, y) to (a x + c y, b x + d y).
    if _is_turned(matrix):
        grey, right, down = grey.T, c, b
    else:
        right, down = a, d
    grey = grey[:, ::-1] if right < 0 else grey
    return np.ascontiguousarray(grey[::-1] if down < 0 else grey)


def _is_turned(matrix: tuple[int, ...]) -> bool:
    return matrix[0] == 0


def display_matrix(path: str | os.PathLike, frame: av.VideoFrame) -> tuple[int, ...] | None:
    """(a, b, c, d) of the display matrix as signs, None where there is none or it changes nothing.

    Asked of a stream's first frame alone: PyAV's frame and its side data hold each other, so that a frame whose
    side data were looked at stays in memory until the garbage collector comes by.

    Args:
        path: for messages. frame: of PyAV.

    Raises:
        InputError: it is turned by no right angle.
    """
    for side in frame.side_data:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side)[:36])
            scale = math.hypot(a, b) or 1.0
            signs = tuple(round(value / scale, 2) for value in (a, b, c, d))
            if any(value not in (-1, 0, 1) for value in signs) or abs(a) == abs(b):
                raise InputError(
                    f"{path}: is turned by {frame.rotation} degrees when it is played: turn it by a right angle "
                    "or not at all, and export it again"
                )
            whole = tuple(int(value) for value in signs)
            return None if whole == (1, 0, 0, 1) else whole
    return None


class _errors:
    """Turns what FFmpeg says of a bad file into `InputError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, InputError) or error is None:
            return
        if isinstance(error, (av.error.FFmpegError, UnicodeDecodeError)) or (
            isinstance(error, (ValueError, RuntimeError)) and "av" in type(error).__module__
        ):
            raise InputError(
                f"{self._path}: can't be read as a video ({in_words(error)}): it is truncated, damaged or no "
                f"video, {_EXPORT_AGAIN}"
            ) from error
