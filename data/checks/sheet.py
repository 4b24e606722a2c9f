"""The contact sheet of gaze on frames: for each recording its screen, and frames with the gaze of their time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data.checks.following import SHIFTS_S, Lag
from data.gaze.alignment import FrameGaze
from data.sources.manifest import Recording

if TYPE_CHECKING:
    from data.checks.overlay import Numbers

MARKER = "overlay.png"
_ON, _OFF, _BOX = "#E69F00", "#D55E00", "#56B4E9"
_COLUMNS = 6


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is drawn of one recording.

    Attributes:
        recording: of the manifest.
        times_s: of all frames. frames: {index: grey [h, w]}, the image alone, drawn on the sheet.
        film: (index, small frame) of the animated clip.
        gaze_s, x, y: known gaze on the video's clock, normalised to the image, off it too.
        screen_x, screen_y: the same, while the video was shown, normalised to the screen.
        screen_px: its size, or None. offset_s: the tracker's clock at the first frame.
        on_frames: the points of each frame and the counts.
    """

    recording: Recording
    times_s: np.ndarray
    frames: dict[int, np.ndarray]
    film: list[tuple[int, np.ndarray]]
    gaze_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    screen_x: np.ndarray
    screen_y: np.ndarray
    screen_px: tuple[int, int] | None
    offset_s: float
    on_frames: FrameGaze


def write_sheet(path: Path, seen: list[Seen], numbers: list[Numbers], lag: Lag | None) -> None:
    """Draw the sheet as PNG: one row per recording, and the curve of the lag below."""
    rows = len(seen) + (lag is not None)
    figure = Figure(figsize=(2.6 * _COLUMNS, 2.35 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False)
    figure.suptitle(
        "Gaze on the frames that the manifest puts it on. Blue: the image's box on the screen; orange: gaze on the "
        "image; red: off it.",
        fontsize=10,
    )
    for row, one, found in zip(axes, seen, numbers):
        _screen(row[0], one)
        for axis, index in zip(row[1:-1], sorted(one.frames)):
            _frame(axis, one, index)
        _heat(row[-1], one, found)
        for axis in row[1 + len(one.frames) : -1]:
            axis.set_axis_off()
    if lag is not None:
        _lag(axes[-1], lag)
    figure.savefig(path, dpi=100)


def _screen(axis: Axes, seen: Seen) -> None:
    """The whole screen, the box on it, the first frame in the box, and all gaze."""
    wide, tall = seen.screen_px or (1.6, 1.0)
    frame = seen.frames[min(seen.frames)]
    box = seen.recording.image_box_px or (0, 0, wide, tall)
    left, top, width, height = box
    axis.imshow(frame, cmap="gray", vmin=0, vmax=255, extent=(left, left + width, top + height, top), alpha=0.6)
    axis.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=_BOX, linewidth=1.5))
    x, y = seen.screen_x * wide, seen.screen_y * tall
    on = (x >= left) & (x <= left + width) & (y >= top) & (y <= top + height)
    for which, colour in ((on, _ON), (~on, _OFF)):
        axis.scatter(x[which], y[which], s=3, color=colour, linewidths=0)
    axis.set_xlim(-0.05 * wide, 1.05 * wide)
    axis.set_ylim(1.05 * tall, -0.05 * tall)
    axis.add_patch(Rectangle((0, 0), wide, tall, fill=False, edgecolor="black", linewidth=0.8))
    axis.set_aspect("equal")
    axis.set_frame_on(False)
    axis.set_xticks([])
    axis.set_yticks([])
    size = f"screen {wide}×{tall}" if seen.screen_px else "screen of unknown size"
    axis.set_ylabel(_short(seen.recording.recording_id), fontsize=9)
    axis.set_title(size + ("" if seen.recording.image_box_px else ", NO BOX GIVEN"), fontsize=8)


def _frame(axis: Axes, seen: Seen, index: int) -> None:
    """A frame, the gaze of 0.4 s around it as a line, its own points larger."""
    frame = seen.frames[index]
    height, width = frame.shape
    axis.imshow(frame, cmap="gray", vmin=0, vmax=255)
    time_s = seen.times_s[index]
    near = np.abs(seen.gaze_s - time_s) <= 0.2
    axis.plot(seen.x[near] * width - 0.5, seen.y[near] * height - 0.5, color=_ON, linewidth=0.8, alpha=0.7)
    x, y = seen.on_frames.x[index] * width - 0.5, seen.on_frames.y[index] * height - 0.5
    axis.scatter(x, y, s=14, color=_ON, edgecolors="black", linewidths=0.4)
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(f"{time_s:.2f} s (tracker {time_s + seen.offset_s:.2f} s)", fontsize=8)


def _heat(axis: Axes, seen: Seen, numbers: Numbers) -> None:
    """All gaze on the image, and the numbers."""
    x, y = np.concatenate(seen.on_frames.x), np.concatenate(seen.on_frames.y)
    height, width = next(iter(seen.frames.values())).shape
    counts, *_ = np.histogram2d(y, x, bins=(12, 16), range=((0, 1), (0, 1)))
    axis.imshow(counts, cmap="magma", extent=(0, width, height, 0), aspect="equal")
    axis.add_patch(
        Rectangle((width / 4, height / 4), width / 2, height / 2, fill=False, edgecolor="white", linewidth=0.6)
    )
    axis.set_xticks([])
    axis.set_yticks([])
    given = "" if numbers.offset_given else " (NOT GIVEN)"
    axis.set_title(
        f"{numbers.on_image:.0%} on the image, {numbers.middle:.0%} in\n"
        f"its middle quarter; offset {seen.offset_s:.3f} s{given}",
        fontsize=8,
    )


def _lag(row: np.ndarray, lag: Lag) -> None:
    """The curve over the whole width of the last row."""
    for axis in row[1:]:
        axis.remove()
    axis = row[0].figure.add_subplot(row[0].get_subplotspec().get_gridspec()[-1, :])
    row[0].remove()
    axis.plot(SHIFTS_S, lag.scores, color="black", linewidth=1, marker=".")
    axis.axvline(0, color="grey", linewidth=0.8)
    axis.axvline(lag.shift_s, color=_ON, linewidth=1.2)
    axis.set_xlabel("gaze later by, s")
    axis.set_ylabel("tissue under\nthe gaze alike")
    what = "stands out" if lag.clear else "does not stand out"
    axis.set_title(
        f"Lag over all recordings: {lag.shift_s:+.1f} s {what} ({lag.height:.1f} standard errors)", fontsize=9
    )


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
