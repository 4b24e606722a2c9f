"""Open a clip, whatever it is stored as: true times, and grey frames one at a time."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.frames import grey_frame

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DEFAULT_FPS = 30.0


@dataclasses.dataclass(frozen=True)
class Video:
    """An opened clip; iterating it decodes every frame once, with one frame in memory.

    Attributes:
        path: file or folder.
        size: (width, height), pixels.
        times_s: float64 [n], presentation time of each frame, s, ascending, the first is 0.
        duration_s: end of the last frame, s; the last frame of a clip whose file does not
            say how long it stays is given the median frame interval (0 for one image).
        decode: gives a fresh iterator over the frames, uint8 [height, width].
    """

    path: Path
    size: tuple[int, int]
    times_s: np.ndarray
    duration_s: float
    decode: Callable[[], Iterator[np.ndarray]] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.times_s)

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        """Yield (index, time_s, frame uint8 [height, width]) in order of presentation.

        Raises:
            InputError: a frame is damaged, of another size, or missing.
        """
        count = 0
        for frame in self.decode():
            if count == len(self):
                break
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


def open_video(path: str | os.PathLike, fps: float | None = None) -> Video:
    """Open a clip without decoding it.

    A container file (mp4, mkv, avi and whatever else FFmpeg reads) keeps its presentation
    times, also when its frame rate varies; a multi-frame DICOM those of its frame time
    vector, frame time or cine rate. In a folder of PNGs the last number in a file's name is
    its frame number, so gaps in the numbering are gaps in time. One image is one frame at
    time 0.

    Args:
        path: file or folder.
        fps: frames per s of a folder of PNGs (30 by default) or of a DICOM that tells
            none; other clips carry their own times, and giving it is an error.

    Raises:
        InputError: missing, truncated, damaged, or no video.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such video: check the path")
    if path.is_dir():
        return _open_folder(path, DEFAULT_FPS if fps is None else fps)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty: copy or export it again")
    # The two readers below build a Video, and pull in libraries that not every source needs.
    if _is_dicom(path):
        from data.video.dicom import open_dicom

        return open_dicom(path, fps)
    if fps is not None:
        raise InputError(
            f"{path}: fps {fps:g} is given, but this clip has times of its own: leave fps empty "
            "(it is for folders of PNGs)"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_image(path)
    from data.video.container import open_container

    return open_container(path)


def frame_files(folder: Path) -> list[tuple[int, Path]]:
    """(frame number, file) of each PNG in a folder, by number.

    Raises:
        InputError: no PNG, a name without a number, or a number that comes twice.
    """
    files = [p for p in folder.iterdir() if p.suffix.lower() == ".png" and not p.name.startswith(".")]
    if not files:
        raise InputError(f"{folder}: the folder holds no PNG: it should hold numbered frames, 0001.png and on")
    numbered: dict[int, Path] = {}
    for file in sorted(files):
        digits = re.findall(r"\d+", file.stem)
        if not digits:
            raise InputError(f"{file}: the name has no frame number: rename it like 0001.png")
        other = numbered.setdefault(int(digits[-1]), file)
        if other != file:
            raise InputError(
                f"{folder}: {other.name} and {file.name} both have frame number {int(digits[-1])}: "
                "keep one clip in a folder, numbered once"
            )
    return sorted(numbered.items())


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Grey uint8 [h, w] of one image file (png, jpg, bmp, tif).

    Raises:
        InputError: missing, damaged or truncated, or not one grey or colour image.
    """
    import skimage.io

    try:
        return grey_frame(np.asarray(skimage.io.imread(path)))
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such image: check the path") from error
    # A broken PNG chunk is a SyntaxError in Pillow.
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path}: can't be read as an image ({error}): it is damaged or no image, export it again"
        ) from error


def _open_image(path: Path) -> Video:
    frame = read_image(path)
    height, width = frame.shape
    return Video(path, (width, height), np.zeros(1), 0.0, lambda: iter([frame]))


def _open_folder(folder: Path, fps: float) -> Video:
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"{folder}: fps {fps:g} must be above 0")
    numbered = frame_files(folder)
    height, width = read_image(numbered[0][1]).shape
    numbers = np.array([number for number, _ in numbered], dtype=np.float64)
    times_s = (numbers - numbers[0]) / fps

    def decode() -> Iterator[np.ndarray]:
        for _, file in numbered:
            yield read_image(file)

    return Video(folder, (width, height), times_s, float(times_s[-1]) + 1 / fps, decode)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(132)
    return head[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")
