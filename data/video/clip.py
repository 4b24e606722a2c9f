"""An opened clip: true times, and grey frames one at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from common.errors import InputError

# Limits that are asked before memory is: a frame of 50 megapixels, a clip of a day, 1,000 frames a second.
MAX_PIXELS = 50_000_000
MAX_DURATION_S = 24 * 3600.0
MAX_FPS = 1000.0
MIN_FPS = 0.001


class RateMissing(InputError):
    """A clip that tells no times of its frames, and no frame rate is given."""


@dataclasses.dataclass(frozen=True)
class Video:
    """An opened clip; iterating it decodes every frame once, with one frame in memory.

    Attributes:
        path: file or folder.
        size: (width, height) as a player shows it, pixels.
        times_s: float64 [n], presentation time of each frame, s, in order, the first is 0.
            Two frames of a coarse clock may have the same time.
        duration_s: end of the last frame, s; the last frame of a clip whose file does not
            say how long it stays is given the median frame interval (0 for one image).
        decode: gives a fresh iterator over the frames, uint8 [height, width].
        starts_s: how long the file's sound runs before the first frame, s: a player that counts
            from the start of the file shows times that are later by this than `times_s`.
    """

    path: Path
    size: tuple[int, int]
    times_s: np.ndarray
    duration_s: float
    decode: Callable[[], Iterator[np.ndarray]] = dataclasses.field(repr=False)
    starts_s: float = 0.0

    def __post_init__(self) -> None:
        check_size(self.path, *self.size)
        if not np.isfinite(self.duration_s) or self.duration_s > MAX_DURATION_S:
            raise InputError(
                f"{self.path}: its frame times span {self.duration_s:g} s, more than a day: correct the frame rate, or "
                "the numbers in the names of its frames"
            )

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def last_frame_s(self) -> float | None:
        """How long the last of several frames stays, s; None of a lone one, which stays while somebody looks at it."""
        return None if len(self) == 1 else self.duration_s - float(self.times_s[-1]) or None

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        """Yield (index, time_s, frame uint8 [height, width]) in order of presentation.

        Raises:
            InputError: a frame is damaged, of another size, missing, or one too many.
        """
        count = 0
        for frame in self.decode():
            if count == len(self):
                raise InputError(
                    f"{self.path}: decodes to more than the {len(self)} frames that it has times for: export it again"
                )
            if frame.shape != self.size[::-1]:
                height, width = frame.shape
                raise InputError(
                    f"{self.path}: frame {count} has {width}x{height} pixels, frame 0 has "
                    f"{self.size[0]}x{self.size[1]}: give each part a row of its own in the manifest"
                )
            yield count, float(self.times_s[count]), frame
            count += 1
        if count != len(self):
            raise InputError(
                f"{self.path}: only {count} of {len(self)} frames can be decoded: the file is truncated or "
                "damaged, copy or export it again"
            )


def check_size(path: Path | str, width: int, height: int) -> None:
    """Refuse a picture whose pixels would not fit, before anything is decoded.

    Raises:
        InputError: no pixels, or more than `MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise InputError(f"{path}: has {width}x{height} pixels: export it again")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: has {width}x{height} pixels, more than the {MAX_PIXELS:,} that a frame may have: crop or "
            "export it smaller"
        )


def check_fps(path: Path, fps: float) -> None:
    """Refuse a frame rate that no recorder has.

    Raises:
        InputError: not in [`MIN_FPS`, `MAX_FPS`].
    """
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"{path}: fps {fps:g} must be {MIN_FPS:g} to {MAX_FPS:g} frames per s")
