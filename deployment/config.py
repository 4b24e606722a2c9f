"""What is predicted, and how: typed settings that a command or a notebook fills."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from common.errors import InputError
from common.typed import SWITCH, check_fields
from data.video.clip import MAX_FPS, MIN_FPS

CROPS = ("auto", "none")
_MOST_S = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Prediction on files or on a stream.

    Attributes:
        artefact: .keras or .tflite file, or SavedModel folder, with its metadata next to it.
        inputs: videos, DICOMs, folders of numbered images, images; a pattern such as 'scans/*.mp4' is every file
            that matches. May be none with a manifest; none with a stream.
        manifest: CSV of recordings, as for prepare.py; each is predicted on with its crop_px, and summary.json says how
            good the answers are on those that are labelled.
        out: folder for predictions.csv and summary.json, written whole or not at all.
        crop: where the ultrasound image lies in the picture; x,y,width,height in pixels, auto (found, and refused
            where that is not sure) or none (the whole picture). Of a recording of the manifest its crop_px; without
            one, the box that is given here, else the whole picture.
        show_crop: also write a picture of each input with the crop drawn on it.
        pixel_aspect: width over height of one pixel of the pictures, where an export lost their ratio.
        fps: frames per s of folders of images, and of DICOMs, TIFF stacks, animations and videos without a
            container, where they tell none.
        video: also write each clip as an MP4 with the answers drawn on it.
        attention: draw where the model looks on that video.
        frames: also write the best frame of each class as PNG.
        threshold: reject frames whose confidence is lower; 0 rejects none (default, from the artefact).
        smoothing: time constant of the filter over time, s; 0 filters nothing (default, from the artefact).
        check: flag frames that are unlike the training frames.
        overwrite: replace the folder of an earlier prediction.
        trust: load a SavedModel whose graph can reach files, processes, the network or Python.
        stream: predict on a stream instead; udp://, rtp://, rtsp://, tcp://, http:// or https:// URL, or a camera such
            as /dev/video0. Answers are lines of JSON on standard output, until Ctrl-C.
        stream_options: NAME=VALUE, options of FFmpeg for the stream, such as rtsp_transport=udp or
            video_size=1280x720.
        timeout_s: wait so long for a frame of the stream, s.
        duration_s: end the stream after so long, s (default, never).
    """

    artefact: Path = dataclasses.field(metadata={"positional": True})
    inputs: tuple[str, ...] = dataclasses.field(default=(), metadata={"positional": True, "metavar": "INPUT"})
    manifest: Path | None = None
    out: Path | None = None
    crop: str = "auto"
    show_crop: bool = dataclasses.field(default=False, metadata=SWITCH)
    pixel_aspect: float = 1.0
    fps: float | None = None
    video: bool = dataclasses.field(default=False, metadata=SWITCH)
    attention: bool = dataclasses.field(default=False, metadata=SWITCH)
    frames: bool = dataclasses.field(default=False, metadata=SWITCH)
    threshold: float | None = None
    smoothing: float | None = None
    check: bool = True
    overwrite: bool = dataclasses.field(default=False, metadata=SWITCH)
    trust: bool = dataclasses.field(default=False, metadata=SWITCH)
    stream: str | None = None
    stream_options: tuple[str, ...] = ()
    timeout_s: float = 10.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without files.

        Raises:
            InputError: a value that can't be, or settings that contradict each other.
        """
        check_fields(self)
        crop_box(self.crop)
        for name, least, most in (("timeout_s", 0.1, _MOST_S), ("duration_s", 0.0, math.inf)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise InputError(f"{name} must be {least:g} to {most:g} s, not {value:g}")
        check_rule(self.threshold, self.smoothing, "smoothing")
        if self.fps is not None and not MIN_FPS <= self.fps <= MAX_FPS:
            raise InputError(f"fps must be {MIN_FPS:g} to {MAX_FPS:g} frames per s, not {self.fps:g}")
        if self.stream is None:
            _check_files(self)
        else:
            _check_stream(self)


def check_rule(threshold: float | None, time_constant_s: float | None, name: str = "time_constant_s") -> None:
    """Refuse a threshold or a time constant that can't be; None is that of the artefact.

    Args:
        threshold: a probability. time_constant_s: of the filter over time. name: what errors call that.

    Raises:
        InputError: naming the parameter.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold must be a probability from 0 to 1, not {threshold:g}")
    if time_constant_s is not None and not 0 <= time_constant_s <= _MOST_S:
        raise InputError(f"{name} must be a time constant from 0 to {_MOST_S:g} s, not {time_constant_s:g}")


def crop_box(crop: str) -> tuple[int, int, int, int] | None:
    """The box that a crop names; None for "auto" and "none".

    Raises:
        InputError: neither of these nor four whole numbers.
    """
    if crop in CROPS:
        return None
    parts = crop.replace(" ", "").split(",")
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 7 for part in parts):
        raise InputError(
            f"crop must be x,y,width,height in whole pixels, such as 112,80,800,600, or {' or '.join(CROPS)}, "
            f"not {crop!r}"
        )
    x, y, width, height = map(int, parts)
    return x, y, width, height


def _check_files(config: PredictConfig) -> None:
    if not config.inputs and config.manifest is None:
        raise InputError("there is nothing to predict on: name a video, a DICOM, a folder, an image, or a stream")
    if config.out is None:
        raise InputError("out is missing: name the folder for predictions.csv and summary.json")
    for name, default in (("stream_options", ()), ("timeout_s", PredictConfig.timeout_s), ("duration_s", None)):
        if getattr(config, name) != default:
            raise InputError(f"{name} is of a stream, and none is given: leave it out, or name the stream")
    if config.attention and not config.video:
        raise InputError("attention is drawn on the video: ask for video too")


def _check_stream(config: PredictConfig) -> None:
    for word in config.stream_options:
        if not word.partition("=")[0] or "=" not in word:
            raise InputError(f"stream_options must be NAME=VALUE, such as video_size=1280x720, not {word!r}")
    if config.inputs or config.manifest is not None:
        other = config.inputs[0] if config.inputs else config.manifest
        raise InputError(
            f"stream {config.stream}: predicts on nothing else, and {other} is given too: leave one of them out"
        )
    for name in ("video", "attention", "frames", "show_crop"):
        if getattr(config, name):
            raise InputError(f"{name} needs a file, and a stream is given: record it first")
    if config.fps is not None:
        raise InputError("fps is of files that tell no times, and a stream is given: leave it out")
    if config.overwrite and config.out is None:
        raise InputError("overwrite replaces the folder out, and none is given: name it, or leave overwrite out")
