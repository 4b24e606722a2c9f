"""The fan of a manifest's recordings or of a folder of images, to look at before the rest is blanked."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from common.console import console, track
from common.errors import InputError
from common.files import path_kind, whole_folder, write_text
from data.sources.clip_frames import fan_pictures
from data.sources.manifest import check_box, read_manifest
from data.video.fan import Fan, find_fan
from data.video.images import IMAGE_SUFFIXES, read_image
from data.video.overlay import paint_over
from data.video.read import open_video

MARKER, NUMBERS = "fans.png", "fans.csv"
_MOST_DRAWN = 24
_MOST_IMAGES = 200
_IN_A_ROW = 3
_OUTLINE = "#E69F00"


@dataclasses.dataclass(frozen=True)
class FanFound:
    """The fan of one recording or image.

    Attributes:
        name: recording id, or name of the image file.
        kind: "sector", "curved", "linear", or "" where nothing was found.
        confidence: 0 to 1.
        blanked: whether fan "blank" makes the rest black; otherwise the picture is kept whole.
        reason: why it is kept whole; "" where it is not.
        kept: share of the picture's pixels that stay.
        box_px: x, y, width, height of the fan in the picture.
    """

    name: str
    kind: str
    confidence: float
    blanked: bool
    reason: str
    kept: float
    box_px: tuple[int, int, int, int]


def check_fans(source: str | os.PathLike, out: str | os.PathLike, *, overwrite: bool = False) -> list[FanFound]:
    """Find the fans as preparation with fan "blank" does, and draw them.

    Args:
        source: a manifest (`data.sources.manifest.read_manifest`; labels are not needed), or a folder of images, of
            which up to 200 are taken, spread evenly.
        out: folder to make, with `fans.png` (pictures with the outline of the fan, and what becomes of them; of
            many, 24 spread evenly) and `fans.csv` (`FanFound` of each).
        overwrite: replace an earlier one.

    Returns:
        What was found, in the source's order.

    Raises:
        InputError: anything wrong with the source, or a folder that can't be written.
    """
    found, drawn = [], []
    count, pictures = _images(Path(source)) if path_kind(source) == "folder" else _recordings(source)
    chosen = _spread(count, _MOST_DRAWN)
    for number, (name, shown) in enumerate(track(pictures, "looking for fans")):
        fan = find_fan(shown)
        picture = shown[len(shown) // 2]
        kept = float(fan.mask.mean()) if fan.sure else 1.0
        found.append(FanFound(name, fan.kind, fan.confidence, fan.sure, fan.reason, kept, fan.box))
        if number in chosen:
            drawn.append((found[-1], fan, picture))
    with whole_folder(out, overwrite=overwrite, marker=MARKER) as folder:
        write_text(folder / NUMBERS, _csv(found))
        _write_sheet(folder / MARKER, drawn)
    return found


def print_fans(found: list[FanFound]) -> None:
    """Print one line per recording or image, and how many are blanked."""
    table = Table(title="Fans")
    for index, name in enumerate(("picture", "fan", "confidence", "stays", "kept whole, because")):
        table.add_column(name, justify="right" if index in (2, 3) else "left", overflow="fold")
    for one in found:
        cells = (one.kind or "none", f"{one.confidence:.2f}", f"{one.kept:.0%}", one.reason)
        table.add_row(escape(one.name), *cells)
    console.print(table)
    blanked = sum(one.blanked for one in found)
    console.print(f"fan blank blanks {blanked} of {len(found)} and keeps {len(found) - blanked} whole", markup=False)


def _recordings(manifest: str | os.PathLike) -> tuple[int, Iterator[tuple[str, list[np.ndarray]]]]:
    """How many there are; of each its id and the pictures from which its fan is found."""
    recordings = read_manifest(manifest, unlabelled=True)

    def pictures() -> Iterator[tuple[str, list[np.ndarray]]]:
        for recording in recordings:
            video = open_video(recording.video, recording.fps)
            if recording.crop_px is not None:
                check_box(recording.row, "crop_px", recording.crop_px, video.size, f"video {recording.video}")
            yield recording.recording_id, fan_pictures(video, recording.crop_px or (0, 0, *video.size))

    return len(recordings), pictures()


def _images(folder: Path) -> tuple[int, Iterator[tuple[str, list[np.ndarray]]]]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise InputError(f"{folder}: holds no image: name a manifest, or the folder that has the images")
    chosen = [files[place] for place in sorted(_spread(len(files), _MOST_IMAGES))]
    return len(chosen), ((file.name, [read_image(file)]) for file in chosen)


def _spread(count: int, most: int) -> set[int]:
    """Places among `count`, evenly spread, at most so many."""
    return set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist())


def _write_sheet(path: Path, drawn: list[tuple[FanFound, Fan, np.ndarray]]) -> None:
    """Draw the sheet as PNG: each picture with the outline of its fan, and beside it what fan "blank" makes of it."""
    rows = -(-len(drawn) // _IN_A_ROW)
    figure = Figure(figsize=(5.0 * _IN_A_ROW, 2.5 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, 2 * _IN_A_ROW, squeeze=False).ravel()
    figure.suptitle("The fan that was found (orange), and what fan blank makes of the picture", fontsize=10)
    for axis in axes:
        axis.set_axis_off()
    for number, (found, fan, picture) in enumerate(drawn):
        left, right = axes[2 * number], axes[2 * number + 1]
        _show(left, picture, f"{found.name[:32]}\n{found.kind or 'no fan'}, confidence {found.confidence:.2f}")
        if fan.kind and not fan.mask.all():
            left.contour(fan.mask, levels=[0.5], colors=_OUTLINE, linewidths=1.2)
        if fan.sure:
            shown = picture if fan.marks is None else paint_over(picture, fan.marks)
            _show(right, np.where(fan.mask, shown, 0), f"blanked, {found.kept:.0%} stays\n")
        else:
            _show(right, picture, f"kept whole: {_wrapped(found.reason)}")
    figure.savefig(path, dpi=100)


def _show(axis: Axes, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=7)


def _wrapped(text: str, width: int = 30) -> str:
    """In two lines where it is long."""
    cut = text.rfind(" ", 0, width)
    return text if len(text) <= width or cut < 0 else f"{text[:cut]}\n{text[cut + 1 :]}"


def _csv(found: list[FanFound]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(FanFound)])
    for one in found:
        box = ",".join(map(str, one.box_px))
        writer.writerow([one.name, one.kind, f"{one.confidence:.4f}", one.blanked, one.reason, f"{one.kept:.4f}", box])
    return stream.getvalue()
