"""What a data set is prepared with: frozen settings that a command or a notebook fills."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Literal

from common.errors import InputError
from common.parallel import MAX_JOBS
from common.typed import SWITCH, check_fields, check_seed
from data.video.clip import MAX_FPS, MIN_FPS
from data.video.framing import FanRule, Fit, FrameRule

MAX_SIDE = 4096
MIN_SIDE = 4
# What reads recordings.
Engine = Literal["local", "beam"]
Labels = Literal["keep", "withhold"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What every source takes.

    Attributes:
        out: folder of the data set; must not exist yet
        frame_size: height and width of the frames, pixels
        fit: pad images to the frame's ratio of width to height, or stretch them to it
        pixel_aspect: width over height of one pixel of the images, where an export lost their ratio
        fan: keep what lies outside the fan (names of presets, grey bars, depth ticks), or blank it, and paint
            over letters and calipers inside that differ from echoes
        val_fraction: share of the patients for validation
        leave_out_scanner: train and validate on patients of the other machines, test on those of this one
        seed: of the split by patients
        overwrite: replace the folder if it is there
        pseudonymise: file that keeps the salt and the map, outside the data set; patient and recording ids
            are then replaced by salted hashes. An existing file is used again, so that ids stay the same
    """

    out: Path
    frame_size: tuple[int, int] = dataclasses.field(default=(224, 288), metadata={"metavar": "H W"})
    fit: Fit = "pad"
    pixel_aspect: float = 1.0
    fan: FanRule = "keep"
    val_fraction: float = 0.15
    leave_out_scanner: str | None = None
    seed: int = 0
    overwrite: bool = dataclasses.field(default=False, metadata=SWITCH)
    pseudonymise: Path | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_frame_size(self.frame_size)
        _ = self.rule
        check_seed(self.seed)

    @property
    def rule(self) -> FrameRule:
        """How images become frames."""
        return FrameRule(self.fit, self.pixel_aspect, self.fan)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordingsConfig(PrepareConfig):
    """Recordings (video, labels, gaze) that a manifest lists; paths are relative to it.

    Attributes:
        manifest: CSV: recording_id, patient_id, video, label or labels, gaze, ...
        fps: frames kept per second: the one nearest to each tick, with its own time (default: all)
        test_fraction: share of the patients for the test
        classes: class names in order; a label that is none of them is an error (default: the labels found)
        unlabelled: keep recordings that have neither label nor labels, without a label
        transitions: keep the frames outside the labels of labelled recordings, without a label
        jobs: processes that decode; the result does not depend on it (default: one for each core, or none
            besides this one for less than 64 MB of recordings)
        engine: local, processes of this machine, or beam, an Apache Beam pipeline (requirements-beam.txt); the
            result does not depend on it
        beam_options: of the pipeline, in quotes, such as --beam-options="--runner=FlinkRunner --flink_master=host:8081"
            (default: Beam's runner for one machine)
    """

    manifest: Path = dataclasses.field(metadata={"positional": True})
    fps: float | None = None
    test_fraction: float = 0.2
    classes: tuple[str, ...] | None = None
    unlabelled: bool = dataclasses.field(default=False, metadata=SWITCH)
    transitions: bool = dataclasses.field(default=False, metadata=SWITCH)
    jobs: int | None = None
    engine: Engine = "local"
    beam_options: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fps is not None and not MIN_FPS <= self.fps <= MAX_FPS:
            raise InputError(f"fps must be {MIN_FPS:g} to {MAX_FPS:g} frames per s, not {self.fps:g}")
        if self.jobs is not None and not 1 <= self.jobs <= MAX_JOBS:
            raise InputError(f"jobs must be from 1 to {MAX_JOBS} processes, not {self.jobs}")
        if self.engine == "beam" and self.jobs is not None:
            raise InputError("jobs is of engine 'local': of 'beam' the runner decides, by beam_options")
        if self.engine != "beam" and self.beam_options:
            raise InputError(f"beam_options {self.beam_options!r}: is of engine 'beam', and engine is {self.engine!r}")
        if self.classes is not None and not self.classes:
            raise InputError("classes must name at least one class")
        if self.leave_out_scanner is not None and self.test_fraction != type(self).test_fraction:
            raise InputError("test_fraction: with leave_out_scanner the test is that scanner's patients, leave it out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSetConfig(PrepareConfig):
    """A public image set in its published layout; its patients and its split are kept, there is no gaze.

    Attributes:
        source: name of the image set, one of `image_sources()`
        folder: holds the table and the images
        classes: name=plane,plane ... with * for every plane that no other class names (default: the source's)
    """

    source: str
    folder: Path = dataclasses.field(metadata={"positional": True})
    classes: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeConfig:
    """Training frames of one data set added to another one, whose validation and test stay its own.

    Attributes:
        main: data set of which all is kept; its classes, validation and test are those of the new one
        extra: data set whose training frames are added, such as simulated ones
        out: folder of the new data set; must not exist yet
        labels: keep the labels of the added frames, or withhold them: they then serve gaze loss, pretraining on
            gaze and soft targets alone, and their classes do not matter
        overwrite: replace the folder if it is there
    """

    main: Path = dataclasses.field(metadata={"positional": True})
    extra: Path = dataclasses.field(metadata={"positional": True})
    out: Path
    labels: Labels = "keep"
    overwrite: bool = dataclasses.field(default=False, metadata=SWITCH)

    def __post_init__(self) -> None:
        check_fields(self)


def check_frame_size(frame_size: tuple[int, int]) -> None:
    """Refuse a size that no frame can have.

    Raises:
        InputError: not two whole numbers from `MIN_SIDE` to `MAX_SIDE`.
    """
    if len(frame_size) != 2 or not all(
        isinstance(n, int) and not isinstance(n, bool) and math.isfinite(n) and MIN_SIDE <= n <= MAX_SIDE
        for n in frame_size
    ):
        raise InputError(
            f"frame_size must be height and width from {MIN_SIDE} to {MAX_SIDE} pixels, not {tuple(frame_size)}"
        )
