"""Coded video without a container (.h264, .hevc), which has no times: FFmpeg makes them up, at 25 frames per s."""

from __future__ import annotations

from pathlib import Path

import av

from common.errors import InputError
from data.video.clip import MAX_FPS, MIN_FPS, RateMissing, check_fps

_RAW = {"h264", "hevc", "vvc", "evc", "mjpeg", "m4v", "obu", "av1", "dirac", "cavsvideo", "avs2", "avs3", "vc1"}


def is_raw(container: av.container.InputContainer) -> bool:
    """Whether a file is coded video alone."""
    return container.format.name in _RAW


def declared_rate(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Frames per s, 0 where nothing tells them; of raw video what it declares itself, as H.264 does in its header."""
    if not is_raw(container):
        return float(stream.average_rate or 0)
    rate = float(stream.codec_context.framerate or 0)
    # MPEG-4 declares the ticks of its clock where it does not declare a rate.
    return rate if MIN_FPS <= rate <= MAX_FPS else 0.0


def frame_rate(path: Path, declared: float, fps: float | None) -> float:
    """Frames per s of a raw stream: the `declared` one, or the one that is given.

    Raises:
        RateMissing: neither.
        InputError: both, or a rate that no recorder has.
    """
    if declared and fps is not None:
        raise InputError(f"{path}: fps {fps:g} is given, but this stream declares {declared:g}: leave fps empty")
    if fps is not None:
        check_fps(path, fps)
    if not (rate := declared or fps):
        raise RateMissing(
            f"{path}: is a video without a container and tells no frame rate: give fps (in a manifest, its column fps)"
        )
    return rate
