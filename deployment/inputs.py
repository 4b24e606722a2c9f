"""What `predict` is given: words on a command line become opened clips, each with the part that is shown."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common.errors import InputError, check_encoded
from common.files import path_kind, sha256_of
from data.video.clip import Video
from data.video.fan import find_fan
from data.video.folder import frame_files
from data.video.read import open_video
from deployment.prediction import View

# Frames spread over a clip in which its fan is looked for, and how much of a long clip they are spread over.
FAN_FRAMES = 16
FAN_SPAN_S = 60.0
_CURE = "give crop as x,y,width,height (show_crop draws what was found), or none for the whole picture"


@dataclasses.dataclass(frozen=True)
class Clip:
    """An input.

    Attributes:
        name: as it was given.
        video: opened.
        label: short, different for each input, for file names.
        box: x, y, width, height of the ultrasound image, pixels, where a manifest gives it.
        labels: class number of each frame, -1 for none, where a manifest gives it.
    """

    name: str
    video: Video
    label: str
    box: tuple[int, int, int, int] | None = None
    labels: tuple[int, ...] | None = None

    def sha256(self) -> str:
        """Of the file, or of the images of a folder in their order."""
        path = self.video.path
        return sha256_of([file for _, file in frame_files(path)] if path.is_dir() else [path])


@dataclasses.dataclass(frozen=True)
class FoundView:
    """What of a clip is shown, and why.

    Attributes:
        view: for `prepare`.
        how: "given", "found" or "whole".
        confidence: of the fan that was found, 0 to 1; None where none was looked for.
        refused: why what was found is not used; "" where it is.
    """

    view: View
    how: str
    confidence: float | None = None
    refused: str = ""


def open_clips(words: Sequence[str], fps: float | None = None) -> list[Clip]:
    """Open every input; nothing is decoded.

    Args:
        words: paths, and patterns with * or ?.
        fps: frames per s of those that tell none.

    Raises:
        InputError: a pattern without a match, a name that is no UTF-8, the same input twice, or what `open_video`
            refuses.
    """
    paths = [path for word in words for path in _matches(word)]
    seen: set[Path] = set()
    clips: list[Clip] = []
    for path in paths:
        if path.resolve() in seen:
            raise InputError(f"{path}: is given twice: name each input once")
        seen.add(path.resolve())
        video = open_video(path, fps if _takes_fps(path) else None)
        if not len(video):
            raise InputError(f"{path}: holds no frame: export it again")
        clips.append(Clip(str(path), video, _label(path, [clip.label for clip in clips])))
    return clips


def find_view(
    video: Video, crop: str, box: tuple[int, int, int, int] | None, fan: str, pixel_aspect: float
) -> FoundView:
    """What of a clip is shown.

    Args:
        video: opened; up to a minute of it is decoded where a fan is looked for.
        crop: "auto", "none", or a box as text. box: that box.
        fan: the artefact's rule, "keep" or "blank" (what lies outside the fan).
        pixel_aspect: of images, which do not say it.
    """
    width, height = video.size
    aspect = pixel_aspect if video.path.is_dir() or len(video) == 1 else 1.0
    if box is not None:
        x, y, wide, high = box
        if not wide or not high or x + wide > width or y + high > height:
            return FoundView(View(box, None, aspect), "given", None, f"lies outside the picture of {width}x{height}")
    if crop == "auto" or fan == "blank":
        found = find_fan(sample_frames(video))
        mask = found.mask if fan == "blank" and found.sure else None
        if crop == "auto":
            return FoundView(View(found.box, mask, aspect), "found", found.confidence, found.reason)
        return FoundView(View(box, mask, aspect), "given" if box else "whole", found.confidence)
    return FoundView(View(box, None, aspect), "given" if box else "whole")


def require(found: FoundView, name: str) -> View:
    """The view of an input.

    Raises:
        InputError: it was refused; says why.
    """
    if not found.refused:
        return found.view
    box = ",".join(map(str, found.view.crop or ()))
    if found.how == "given":
        raise InputError(f"{name}: crop {box} {found.refused}: correct it")
    raise InputError(f"{name}: where the ultrasound image lies is not sure ({found.refused}; found {box}): {_CURE}")


def sample_frames(video: Video) -> list[np.ndarray]:
    """Up to `FAN_FRAMES` frames uint8 [h, w], spread evenly over the first `FAN_SPAN_S` of a clip."""
    last = int(np.searchsorted(video.times_s, FAN_SPAN_S, side="right"))
    wanted = set(np.linspace(0, last - 1, FAN_FRAMES).round().astype(int).tolist())
    return list(_chosen(video, wanted))


def _chosen(video: Video, wanted: set[int]) -> Iterator[np.ndarray]:
    for index, _, frame in video:
        if index in wanted:
            yield frame
        if index >= max(wanted):
            return


def _matches(word: str) -> list[Path]:
    if path_kind(word) is not None or not glob.has_magic(word):
        return [Path(word)]
    found = sorted(Path(name) for name in glob.glob(word, recursive=True))
    if not found:
        raise InputError(f"{word}: no file matches this pattern: check it")
    for path in found:
        check_encoded(str(path))
    return found


def _takes_fps(path: Path) -> bool:
    return path.is_dir() or path.suffix.casefold() in (".tif", ".tiff", ".dcm", ".dicom")


def _label(path: Path, taken: Sequence[str]) -> str:
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in path.stem) or "input"
    label, number = stem, 2
    while label in taken:
        label, number = f"{stem}_{number}", number + 1
    return label
