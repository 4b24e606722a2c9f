"""Gaze drawn on the frames of a manifest's recordings, and numbers, to see a wrong offset before training on it."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from common.console import console, track
from common.errors import InputError
from common.file_names import file_names
from common.files import whole_folder, write_text
from data.animation import write_animation
from data.checks.following import CLEAR, WIDTH_PX, Clip, Lag, find_lag
from data.checks.sheet import MARKER, Seen, write_sheet
from data.frames import resize_frame
from data.gaze.alignment import fill_short_gaps, screen_to_frame, to_video_time
from data.sources.clip_frames import read_clip_gaze
from data.sources.manifest import Recording, check_box, read_manifest
from data.ties import tie_s
from data.video.clip import Video
from data.video.read import open_video

NUMBERS = "numbers.csv"
_SHEET_FRAMES = 4
_SHEET_ROWS = 12
_CLIP_FRAMES, _CLIP_WIDTH_PX = 60, 320
_CLIP_FPS = 10.0
# What a lag is looked for in: enough for a minute, and bounded for an hour.
_LAG_FRAMES = 1500
# The middle quarter of the picture's area: chance is 0.25.
_MIDDLE = 0.5


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Numbers that show whether one recording is aligned.

    Attributes:
        recording_id: of the manifest.
        samples: taken while the video was shown. valid: share of them with gaze.
        on_image: share of the valid ones on the ultrasound image.
        mean_x, mean_y: where these lie on average, shares of the image.
        middle: share of these in the middle quarter of the image's area (uniform gaze: 0.25).
        lag_s: gaze of so much later fits the image best; None where no lag stands out.
        lag_height: how far it stands out, in standard errors of the other lags; None
            where too little gaze moves.
        offset_given, box_given: whether the manifest has gaze_offset_s and image_box_px.
    """

    recording_id: str
    samples: int
    valid: float
    on_image: float
    mean_x: float
    mean_y: float
    middle: float
    lag_s: float | None
    lag_height: float | None
    offset_given: bool
    box_given: bool


def check_recordings(
    manifest: str | os.PathLike, overlay: str | os.PathLike | None = None, *, clips: int = 3, overwrite: bool = False
) -> tuple[list[Numbers], Lag | None]:
    """Look at the gaze of a manifest's recordings.

    Args:
        manifest: as `data.sources.manifest.read_manifest` describes it; labels are not needed.
        overlay: folder to make, with `overlay.png` (the screen with the image's box and all
            gaze on it, and frames with their gaze, one row per recording), `clip_….gif` and
            `numbers.csv`; None writes nothing.
        clips: how many recordings are animated. overwrite: replace an earlier overlay.

    Returns:
        (numbers of each recording with gaze, the lag over all of them).

    Raises:
        InputError: anything wrong with the input, no recording with gaze, or a folder that
            can't be written.
    """
    recordings = [r for r in read_manifest(manifest, unlabelled=True) if r.gaze is not None]
    if not recordings:
        raise InputError(f"{manifest}: no recording has gaze: there is nothing to look at")
    # All are in the numbers; of many, evenly spread ones are drawn.
    drawn = np.unique(np.linspace(0, len(recordings) - 1, min(len(recordings), _SHEET_ROWS)).round().astype(int))
    seen, numbers, found = [], [], []
    for i, recording in enumerate(track(recordings, "looking at recordings")):
        one, clip = _look(recording, animate=i in drawn[:clips])
        numbers.append(_numbers(recording, one, find_lag([clip])))
        found.append(clip)
        if i in drawn:
            seen.append(one)
    lag = find_lag(found)
    if overlay is not None:
        with whole_folder(overlay, overwrite=overwrite, marker=MARKER) as folder:
            shown = seen[:clips]
            for one, name in zip(shown, file_names(each.recording.recording_id for each in shown)):
                _animate(one, folder / f"clip_{name}.gif")
            write_text(folder / NUMBERS, _csv(numbers))
            write_sheet(folder / MARKER, seen, [numbers[i] for i in drawn], lag)
    return numbers, lag


def print_numbers(numbers: list[Numbers], lag: Lag | None) -> None:
    """Print one line per recording, the lag over all recordings, and what the manifest left empty."""
    table = Table(title="Gaze on the image")
    names = ("recording", "samples", "with gaze", "on the image", "mean x, y", "in the middle quarter", "lag, s")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left", overflow="fold")
    for row in numbers:
        table.add_row(
            escape(row.recording_id),
            f"{row.samples:,}",
            f"{row.valid:.0%}",
            f"{row.on_image:.0%}",
            f"{row.mean_x:.2f}, {row.mean_y:.2f}",
            f"{row.middle:.0%}",
            "not clear" if row.lag_s is None else f"{row.lag_s:+.1f}",
        )
    console.print(table)
    console.print(lag_sentence(lag), markup=False)
    for column, given in (("gaze_offset_s", "offset_given"), ("image_box_px", "box_given")):
        empty = [row.recording_id for row in numbers if not getattr(row, given)]
        if empty:
            shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
            console.print(f"warning: {column} is empty for {shown}", style="yellow", markup=False)


def lag_sentence(lag: Lag | None) -> str:
    """What the lag over all recordings means, in words."""
    if lag is None:
        return "Lag of gaze and image: too little gaze follows the image to tell."
    if not lag.clear:
        best = f"the best, {lag.shift_s:+.1f} s, by {lag.height:.1f} standard errors of the {CLEAR:g} that it takes"
        return f"Lag of gaze and image: none stands out ({best})."
    found = f"Lag of gaze and image: {lag.shift_s:+.1f} s, by {lag.height:.1f} standard errors"
    if abs(lag.shift_s) <= 0.15:
        return f"{found}: the offsets fit."
    return f"{found}: the offsets seem wrong, try adding {lag.shift_s:+.1f} s to each gaze_offset_s."


def _look(recording: Recording, animate: bool) -> tuple[Seen, Clip]:
    """Decode one recording once: some frames as they are, the others small."""
    video = open_video(recording.video, recording.fps)
    if recording.crop_px is not None:
        check_box(recording.row, "crop_px", recording.crop_px, video.size, f"video {recording.video}")
    left, top, width, height = recording.crop_px or (0, 0, *video.size)
    wanted = set(np.linspace(0, len(video.times_s) - 1, _SHEET_FRAMES + 2).round().astype(int)[1:-1].tolist())
    frames: dict[int, np.ndarray] = {}
    small: list[np.ndarray] = []
    film: list[tuple[int, np.ndarray]] = []
    drawn = _gaze(recording, video)
    for index, _, whole in video:
        frame = whole[top : top + height, left : left + width]
        if index in wanted:
            frames[index] = frame
        if len(small) < _LAG_FRAMES:
            small.append(resize_frame(frame, (max(1, round(WIDTH_PX * height / width)), WIDTH_PX)))
        if animate and _in_film(index, video.times_s):
            wide = min(width, _CLIP_WIDTH_PX)
            film.append((index, resize_frame(frame, (max(1, round(wide * height / width)), wide))))
    seen = dataclasses.replace(drawn, frames=frames, film=film)
    return seen, Clip(video.times_s[: len(small)], np.stack(small), seen.gaze_s, seen.x, seen.y)


def _gaze(recording: Recording, video: Video) -> Seen:
    """The gaze of one recording on its image, on its frames and on its screen; no frames yet."""
    if (found := read_clip_gaze(recording, video)) is None:
        raise ValueError(f"recording {recording.recording_id} has no gaze")
    gaze, on_frames = found
    offset_s = recording.gaze_offset_s or 0.0
    screen_x, screen_y, filled = fill_short_gaps(gaze)
    x, y = screen_to_frame(
        screen_x,
        screen_y,
        screen_px=gaze.screen_px,
        video_px=video.size,
        image_box_px=recording.image_box_px,
        crop_px=recording.crop_px,
        where=gaze.path,
    )
    time_s = to_video_time(gaze.time_s, offset_s, video.times_s[0])
    known = gaze.valid | filled
    # One image stays for as long as somebody looked at it.
    end_s = video.duration_s if len(video.times_s) > 1 else np.inf
    tie = tie_s(video.times_s, gaze.time_s)
    shown = known & (time_s + tie >= video.times_s[0]) & (time_s + tie < end_s)
    return Seen(
        recording,
        video.times_s,
        {},
        [],
        time_s[known],
        x[known],
        y[known],
        screen_x[shown],
        screen_y[shown],
        gaze.screen_px,
        offset_s,
        on_frames,
    )


def _in_film(index: int, times_s: np.ndarray) -> bool:
    """Every frame nearest to a tick of the film, up to its length."""
    tick = int(times_s[index] * _CLIP_FPS + 1e-6)
    return tick < _CLIP_FRAMES and (index == 0 or tick > int(times_s[index - 1] * _CLIP_FPS + 1e-6))


def _numbers(recording: Recording, seen: Seen, lag: Lag | None) -> Numbers:
    counts = seen.on_frames
    x, y = np.concatenate(counts.x), np.concatenate(counts.y)
    known = counts.valid + counts.interpolated
    middle = (np.abs(x - 0.5) <= _MIDDLE / 2) & (np.abs(y - 0.5) <= _MIDDLE / 2)
    nan = float("nan")
    return Numbers(
        recording.recording_id,
        counts.samples,
        counts.valid / counts.samples,
        len(x) / known if known else nan,
        float(x.mean()) if len(x) else nan,
        float(y.mean()) if len(x) else nan,
        float(middle.mean()) if len(x) else nan,
        lag.shift_s if lag and lag.clear else None,
        lag.height if lag else None,
        recording.gaze_offset_s is not None,
        recording.image_box_px is not None,
    )


def _animate(seen: Seen, path: Path) -> None:
    trails, captions = [], []
    for index, frame in seen.film:
        time_s = seen.times_s[index]
        near = (seen.gaze_s >= time_s - 0.3) & (seen.gaze_s < time_s + 1 / _CLIP_FPS)
        trails.append(np.stack([seen.x[near] * frame.shape[1], seen.y[near] * frame.shape[0]], axis=1) - 0.5)
        captions.append(f"{seen.recording.recording_id}\n{time_s:.2f} s, tracker {time_s + seen.offset_s:.2f} s")
    write_animation(path, np.stack([f for _, f in seen.film]), trails, captions, _CLIP_FPS)


def _csv(numbers: list[Numbers]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [field.name for field in dataclasses.fields(Numbers)], lineterminator="\n")
    writer.writeheader()
    for row in numbers:
        cells = dataclasses.asdict(row)
        writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in cells.items()})
    return stream.getvalue()
