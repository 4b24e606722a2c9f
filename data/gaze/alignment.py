"""Gaze onto frames: from the screen to the frame, from the tracker's clock to the video's.

The frame is the ultrasound image: what `crop_px` cuts out of the video picture, shown at
`image_box_px` on the screen.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from common.errors import InputError
from data.gaze.clock import CLOCK_RESOLUTION_S, clock_jumps, clock_sections, falls_back
from data.gaze.read import MAX_GAP_S, GazeRecording, gaps
from data.ties import tie_s

Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class FrameGaze:
    """Gaze points of each frame of a video, and what became of every sample.

    samples = valid + interpolated + missing, and valid + interpolated = on-frame points +
    off_image. The samples of the file are `samples` + `outside_video`.

    Attributes:
        x, y: per frame, float64 [n_i], normalised to the frame; only points on it.
        samples: samples taken while the video was shown.
        valid: of these, the ones in which the tracker saw an eye.
        interpolated: missing ones filled across a short gap.
        missing: the rest.
        off_image: valid or interpolated ones that are not on the frame.
        outside_video: samples taken before or after the video.
        gaps: stretches without gaze too long to fill that overlap the video.
        clock_jumps: jumps of the tracker's clock in the whole file.
    """

    x: tuple[np.ndarray, ...]
    y: tuple[np.ndarray, ...]
    samples: int
    valid: int
    interpolated: int
    missing: int
    off_image: int
    outside_video: int
    gaps: int
    clock_jumps: int

    @property
    def counts(self) -> dict[str, int]:
        """All the counts by name."""
        fields = [field.name for field in dataclasses.fields(self) if field.name not in ("x", "y")]
        return {name: getattr(self, name) for name in fields}


def gaze_for_frames(
    gaze: GazeRecording,
    frame_times_s: np.ndarray,
    *,
    video_px: tuple[int, int],
    image_box_px: Box | None = None,
    crop_px: Box | None = None,
    gaze_offset_s: float = 0.0,
    max_gap_s: float = MAX_GAP_S,
    last_frame_duration_s: float | None = None,
) -> FrameGaze:
    """Give every frame of a video the gaze points of the time it was shown.

    A sample belongs to frame i if frame_times_s[i] <= t < frame_times_s[i + 1], with t its
    time on the video's clock, and equal up to what files round (`data.ties`). Pass all frames of
    the video, also where only some are kept: a sample is of the frame that was shown, not of the
    nearest one kept.

    Gaze missing for up to `max_gap_s` between two valid samples is interpolated linearly at
    the missing samples' own times, never across a clock jump; a longer gap stays missing
    (210 ms and linear filling: Teng et al., Gaze Meets ML 2022).

    Args:
        gaze: from `read_gaze`.
        frame_times_s: float64 [m], presentation times, ascending, s.
        video_px: (width, height) of the whole video picture, pixels.
        image_box_px: x, y, width, height of the ultrasound image on the screen, pixels of
            the screen; None = the video picture fills the screen.
        crop_px: x, y, width, height of the ultrasound image in the video picture, pixels of
            the video; None = all of it. It moves gaze only where `image_box_px` does not
            say already where the image was.
        gaze_offset_s: the tracker's clock at the video's first frame, s.
        max_gap_s: the longest gap that is filled, s.
        last_frame_duration_s: how long the last frame was shown, s; None = the median
            interval between frames, or, for a single frame, up to the end of the gaze.

    Raises:
        InputError: an impossible box, a box with no size of screen, no valid sample while the
            video was shown, or a clock that went back, so that two stretches of gaze share the
            video's time.
        ValueError: no frames, frame times that don't ascend, or pixels not normalised.
    """
    frame_times_s = np.asarray(frame_times_s, np.float64)
    _check_times(frame_times_s, gaze)
    end_s = frame_times_s[-1] + _last_duration(frame_times_s, last_frame_duration_s)
    tie = tie_s(frame_times_s, gaze.time_s)
    time_s = to_video_time(gaze.time_s, gaze_offset_s, frame_times_s[0]) + tie
    shown = (time_s >= frame_times_s[0]) & (time_s < end_s)
    if not (shown & gaze.valid).any():
        raise _no_overlap(gaze, shown, gaze_offset_s, end_s - frame_times_s[0])
    _check_clock(gaze, shown)

    screen_x, screen_y, filled = fill_short_gaps(gaze, max_gap_s)
    place = functools.partial(screen_to_frame, screen_px=gaze.screen_px, video_px=video_px, where=gaze.path)
    x, y = place(screen_x, screen_y, image_box_px=image_box_px, crop_px=crop_px)
    spans = to_video_time(gaps(gaze, max_gap_s), gaze_offset_s, frame_times_s[0])
    shown_gaps = int(((spans[:, 1] > frame_times_s[0]) & (spans[:, 0] < end_s)).sum())
    return _by_frame(gaze, frame_times_s, time_s, shown, filled, x, y, shown_gaps)


def _check_times(frame_times_s: np.ndarray, gaze: GazeRecording) -> None:
    if frame_times_s.ndim != 1 or not len(frame_times_s) or not (np.diff(frame_times_s) >= 0).all():
        raise ValueError("frame_times_s must be [m], m > 0, finite and ascending")
    if not gaze.normalised:
        raise ValueError("gaze must be normalised to the screen: read it with read_gaze")


def _by_frame(
    gaze: GazeRecording,
    frame_times_s: np.ndarray,
    time_s: np.ndarray,
    shown: np.ndarray,
    filled: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    shown_gaps: int,
) -> FrameGaze:
    """The samples [n] on the video's clock and the frame's axes, each with the frame of its time, and their counts."""
    known = shown & (gaze.valid | filled)
    on_frame = known & (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    rows = np.flatnonzero(on_frame)
    frame = np.searchsorted(frame_times_s, time_s[rows], side="right") - 1
    order = np.argsort(frame, kind="stable")
    cuts = np.searchsorted(frame[order], np.arange(1, len(frame_times_s)))
    return FrameGaze(
        x=tuple(np.split(x[rows[order]], cuts)),
        y=tuple(np.split(y[rows[order]], cuts)),
        samples=int(shown.sum()),
        valid=int((shown & gaze.valid).sum()),
        interpolated=int((shown & filled).sum()),
        missing=int((shown & ~known).sum()),
        off_image=int((known & ~on_frame).sum()),
        outside_video=int((~shown).sum()),
        gaps=shown_gaps,
        clock_jumps=len(clock_jumps(gaze.time_s)),
    )


def to_video_time(time_s: np.ndarray, gaze_offset_s: float, first_frame_s: float) -> np.ndarray:
    """Tracker clock to the video's presentation time, s."""
    return time_s - gaze_offset_s + first_frame_s


def screen_to_frame(
    x: np.ndarray,
    y: np.ndarray,
    *,
    screen_px: tuple[int, int] | None,
    video_px: tuple[int, int],
    image_box_px: Box | None = None,
    crop_px: Box | None = None,
    where: str = "gaze",
) -> tuple[np.ndarray, np.ndarray]:
    """From normalised screen to normalised frame coordinates, origin top left in both.

    Points off the frame come out below 0 or above 1; nothing is clipped.

    Args:
        x, y: float [n], normalised to the screen.
        screen_px, video_px: (width, height); the screen's is needed with `image_box_px` only.
        image_box_px, crop_px: as in `gaze_for_frames`; both are checked, also where the
            first alone gives the place.
        where: the file to name in errors.

    Returns:
        x, y: float64 [n].

    Raises:
        InputError: a box that is not inside what it is a part of, or no size of screen.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if crop_px is not None:
        _check_box(crop_px, video_px, f"{where}: crop_px", "video picture")
    if image_box_px is not None:
        if screen_px is None:
            raise InputError(
                f"{where}: image_box_px is in pixels of a screen of unknown size: give screen_px "
                "(screen_width_px,screen_height_px in a manifest)"
            )
        _check_box(image_box_px, screen_px, f"{where}: image_box_px", "screen")
        # The box is the crop as it was shown: to apply the crop too would apply it twice.
        return _into_box(x, y, image_box_px, screen_px)
    if crop_px is not None:
        return _into_box(x, y, crop_px, video_px)
    return x, y


def fill_short_gaps(gaze: GazeRecording, max_gap_s: float = MAX_GAP_S) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolate missing samples between two valid ones up to `max_gap_s` apart.

    Returns:
        x, y: float64 [n], as in `gaze`, with the filled samples.
        filled: bool [n], which ones these are.
    """
    rows = np.arange(len(gaze.time_s))
    seen = np.flatnonzero(gaze.valid)
    after = np.searchsorted(seen, rows)
    # A fixation without a position is no blink of a tracker: the one before it had ended.
    inner = ~gaze.valid & (after > 0) & (after < len(seen)) & (not gaze.fixations)
    at = rows[inner]
    left, right = seen[after[inner] - 1], seen[after[inner]]
    step = gaze.time_s[right] - gaze.time_s[left]
    section = clock_sections(gaze.time_s)
    short = (section[left] == section[right]) & (step <= max_gap_s + CLOCK_RESOLUTION_S)
    at, left, right, step = at[short], left[short], right[short], step[short]
    # Repeated timestamps on both sides leave nothing to interpolate over.
    share = (gaze.time_s[at] - gaze.time_s[left]) / np.where(step > 0, step, 1.0)
    x, y = gaze.x.copy(), gaze.y.copy()
    for values in (x, y):
        values[at] = values[left] + share * (values[right] - values[left])
    filled = np.zeros(len(rows), bool)
    filled[at] = True
    return x, y, filled


def _into_box(x: np.ndarray, y: np.ndarray, box: Box, whole_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    left, top, width, height = box
    return (x * whole_px[0] - left) / width, (y * whole_px[1] - top) / height


def _check_box(box: Box, whole_px: tuple[int, int], what: str, whole: str) -> None:
    left, top, width, height = box
    if not np.isfinite(box).all() or width <= 0 or height <= 0:
        raise InputError(f"{what} {_shown(box)}: must be x,y,width,height with a width and height above 0")
    if left < 0 or top < 0 or left + width > whole_px[0] or top + height > whole_px[1]:
        raise InputError(
            f"{what} {_shown(box)}: reaches outside the {whole} of {_shown(whole_px)} pixels: correct the box"
        )


def _last_duration(frame_times_s: np.ndarray, given_s: float | None) -> float:
    if given_s is not None:
        return given_s
    return float(np.median(np.diff(frame_times_s))) if len(frame_times_s) > 1 else np.inf


def _check_clock(gaze: GazeRecording, shown: np.ndarray) -> None:
    time_s = gaze.time_s[shown]
    at = falls_back(time_s)
    if at is not None:
        raise InputError(
            f"{gaze.path}: its clock went back, from {time_s[:at].max():.3f} to {time_s[at]:.3f} s, in the time of the "
            "video: it holds several recordings or the tracker was restarted, so export the part of this video alone"
        )


def _no_overlap(gaze: GazeRecording, shown: np.ndarray, gaze_offset_s: float, duration_s: float) -> InputError:
    if not gaze.valid.any():
        return InputError(f"{gaze.path}: not one of its {len(gaze.valid)} samples has gaze: leave gaze empty")
    seen = gaze.time_s[gaze.valid]
    end_s = gaze_offset_s + duration_s
    video = f"the video lasts from {gaze_offset_s:.3f} to {end_s:.3f} s of the tracker's clock"
    if shown.any():
        return InputError(
            f"{gaze.path}: {video}, and none of the {int(shown.sum())} samples in that time has gaze: "
            "correct gaze_offset_s or leave gaze empty"
        )
    return InputError(
        f"{gaze.path}: gaze from {seen.min():.3f} to {seen.max():.3f} s does not overlap the video: {video}; "
        "set gaze_offset_s to the tracker's clock at the video's first frame "
        f"({gaze.time_s[0]:.3f} if both began together)"
    )


def _shown(numbers: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in numbers)
