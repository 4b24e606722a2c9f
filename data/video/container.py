"""Container files (mp4, mkv, avi, ...) through PyAV, with their true presentation times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from common.errors import InputError
from data.video.read import Video

# Readers of FFmpeg that take any text or image for a film.
_NO_VIDEO_FORMATS = {"tty", "image2", "png_pipe", "jpeg_pipe", "bmp_pipe", "tiff_pipe", "gif"}
# Formats whose header tells how long a stream lasts; of others FFmpeg guesses it from the file.
_DECLARE_SPAN = {"mov", "avi", "asf", "flv"}
# Below this, threads cost more than they save.
_PIXELS_FOR_THREADS = 640 * 480
_EXPORT_AGAIN = "copy or export it again"


def open_container(path: Path) -> Video:
    """Open a container file: the packets are listed, nothing is decoded yet.

    Where a container has no presentation times (some AVI), the frame rate gives them.

    Raises:
        InputError: no video, or truncated: unreadable, a packet cut short, or fewer
            frames or less time than the file declares.
    """
    with _errors(path), av.open(str(path)) as container:
        stream = _video_stream(container, path)
        size = (stream.codec_context.width, stream.codec_context.height)
        declared = _Declared(container, stream)
        packets = _list_packets(container, stream, path)
        rate = float(stream.average_rate or 0)
    if not packets.count:
        raise InputError(f"{path}: holds no frame: {_EXPORT_AGAIN}")
    times_s, last_s = _presentation_times(packets, rate, path)
    _check_whole(path, declared, packets, times_s, last_s)
    ticks = packets.pts if packets.all_timed else None
    return Video(path, size, times_s, float(times_s[-1]) + last_s, lambda: _decode(path, ticks))


@dataclasses.dataclass
class _Packets:
    count: int
    pts: np.ndarray  # int64, ascending, in units of the time base
    all_timed: bool
    time_base_s: float
    last_duration: int  # of the packet shown last, 0 if the file does not say


class _Declared:
    """What the header promises; None where it promises nothing."""

    def __init__(self, container, stream):
        self.frames = stream.frames or None
        self.span_s = None
        if stream.duration and container.format.name.split(",")[0] in _DECLARE_SPAN:
            self.span_s = float(stream.duration * stream.time_base)
        # Matroska declares the end time of each stream, or at least of the whole file.
        self.end_s = None
        if "matroska" in container.format.name:
            tag = next((v for k, v in stream.metadata.items() if k.upper() == "DURATION"), None)
            if tag is not None:
                hours, minutes, seconds = tag.strip("\x00 ").split(":")
                self.end_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            elif container.duration and len(container.streams) == 1:
                self.end_s = container.duration / av.time_base


def _video_stream(container, path: Path):
    streams = [s for s in container.streams.video if s.codec_context is not None and s.codec_context.width]
    if container.format.name in _NO_VIDEO_FORMATS or not streams:
        raise InputError(f"{path}: is no video (read as {container.format.name}): give a video file")
    return streams[0]


def _list_packets(container, stream, path: Path) -> _Packets:
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
    if timed:
        pts = np.sort(np.array(shown, dtype=np.int64))
    else:
        pts = np.arange(count, dtype=np.int64)
    return _Packets(count, pts, timed, float(stream.time_base), last_duration)


def _presentation_times(packets: _Packets, rate: float, path: Path) -> tuple[np.ndarray, float]:
    """Times of the frames, s, the first 0; and how long the last one stays, s."""
    if not packets.all_timed:
        if not rate:
            raise InputError(f"{path}: has neither times nor a frame rate: {_EXPORT_AGAIN}")
        return packets.pts / rate, 1 / rate
    times_s = (packets.pts - packets.pts[0]) * packets.time_base_s
    steps = np.diff(times_s)
    if np.any(steps <= 0):
        frame = int(np.argmax(steps <= 0)) + 1
        raise InputError(f"{path}: frames {frame - 1} and {frame} have the same time: {_EXPORT_AGAIN}")
    if packets.last_duration:
        last_s = packets.last_duration * packets.time_base_s
    elif len(steps):
        last_s = float(np.median(steps))
    else:
        # FFmpeg's guess for a lone frame; it may be shown for longer.
        last_s = 1 / rate if rate else 0.0
    return times_s, last_s


def _check_whole(path: Path, declared: _Declared, packets: _Packets, times_s: np.ndarray, last_s: float):
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


def _decode(path: Path, ticks: np.ndarray | None) -> Iterator[np.ndarray]:
    with _errors(path), av.open(str(path)) as container:
        stream = _video_stream(container, path)
        if stream.codec_context.width * stream.codec_context.height >= _PIXELS_FOR_THREADS:
            stream.thread_type = "AUTO"
        if stream.codec_context.name == "ffv1":
            # Lossless means lossless: without this, a slice whose checksum is wrong is patched up.
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        for index, frame in enumerate(container.decode(stream)):
            lost = ticks is not None and (index >= len(ticks) or frame.pts != ticks[index])
            if frame.is_corrupt or lost:
                raise InputError(f"{path}: frame {index} is damaged or lost: {_EXPORT_AGAIN}")
            yield frame.to_ndarray(format="gray")


class _errors:
    """Turns what FFmpeg says of a bad file into `InputError`."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, av.error.FFmpegError):
            raise InputError(
                f"{self._path}: can't be read as a video ({error.strerror}): it is truncated, damaged or no "
                f"video, {_EXPORT_AGAIN}"
            ) from error
