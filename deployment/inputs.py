"""What `predict` is given: words on a command line become opened clips with names of their own."""

from __future__ import annotations

import dataclasses
import glob
from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError, check_encoded
from common.file_names import file_names
from common.files import path_kind, sha256_of
from data.video.clip import RateMissing, Video
from data.video.folder import frame_files
from data.video.read import open_video


@dataclasses.dataclass(frozen=True)
class Clip:
    """An input.

    Attributes:
        name: for messages.
        video: opened.
        label: short; `distinct_labels` makes it different for each input, and a part of file names.
        recording_id: where a manifest gives it, else "".
        box: x, y, width, height of the ultrasound image, pixels, where a manifest gives it.
        labels: class number of each frame, -1 for none, where a manifest gives it.
    """

    name: str
    video: Video
    label: str
    recording_id: str = ""
    box: tuple[int, int, int, int] | None = None
    labels: tuple[int, ...] | None = None

    def sha256(self) -> str:
        """Of the file, or of the images of a folder in their order."""
        path = self.video.path
        return sha256_of([file for _, file in frame_files(path)] if path.is_dir() else [path])


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
        try:
            video = open_video(path, default_fps=fps)
        except RateMissing as error:
            raise InputError(error, parameter="fps") from error
        if not len(video):
            raise InputError(f"{path}: holds no frame: export it again")
        clips.append(Clip(str(path), video, path.stem or "input"))
    return clips


def distinct_labels(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with labels that file names can hold, no two alike."""
    return [dataclasses.replace(clip, label=label) for clip, label in zip(clips, file_names([c.label for c in clips]))]


def _matches(word: str) -> list[Path]:
    if path_kind(word) is not None or not glob.has_magic(word):
        return [Path(word)]
    found = sorted(Path(name) for name in glob.glob(word, recursive=True))
    if not found:
        raise InputError(f"{word}: no file matches this pattern: check it")
    for path in found:
        check_encoded(str(path))
    return found
