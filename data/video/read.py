"""Open a clip, whatever it is stored as: true times, and grey frames one at a time."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import InputError, disk_errors
from common.files import path_kind
from data.filetypes import known_kind
from data.video.clip import RateMissing, Video
from data.video.folder import open_folder
from data.video.images import IMAGE_SUFFIXES, is_image, open_image

# JPEG pictures one after the other: each begins as an image does, so the name alone tells that there are more.
_MOTION_JPEG = (".mjpeg", ".mjpg")


def open_video(path: str | os.PathLike, fps: float | None = None, *, default_fps: float | None = None) -> Video:
    """Open a clip without decoding it.

    A container file (mp4, mkv, avi and whatever else FFmpeg reads) keeps its presentation
    times, also when its frame rate varies; a multi-frame DICOM those of its frame time
    vector, frame time or cine rate; a GIF its own. In a folder of images the one number that
    changes in the names is the frame number, so gaps in the numbering are gaps in time. One
    image is one frame at time 0. Pictures come upright, as a player shows them: rotation,
    EXIF orientation and the shape of the pixels are obeyed.

    Args:
        path: file or folder.
        fps: frames per s of a folder of images (30 by default), or of a TIFF stack, an animation, a
            DICOM or a video without a container that tells none; other clips carry their own times,
            and giving it is an error.
        default_fps: the same for a clip of a kind that is not known: of one with times, it is ignored.

    Raises:
        RateMissing: the clip tells no times, and neither rate is given.
        InputError: missing, truncated, damaged, or no video; a file of another kind is named.
    """
    path = Path(path)
    kind = path_kind(path)
    if kind is None:
        raise InputError(f"{path}: there is no such video: check the path")
    with disk_errors(path):
        if kind == "folder":
            return open_folder(path, default_fps if fps is None else fps)
        try:
            return _open_file(path, fps)
        except RateMissing:
            if default_fps is None:
                raise
        return _open_file(path, default_fps)


def _open_file(path: Path, fps: float | None) -> Video:
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise InputError(f"{path}: the file is empty: copy or export it again")
    # The readers of DICOM and of containers pull in libraries that not every source needs.
    if _is_dicom(path, head):
        from data.video.dicom import open_dicom

        return open_dicom(path, fps)
    suffix = path.suffix.casefold()
    if (is_image(head) and suffix not in _MOTION_JPEG) or suffix in IMAGE_SUFFIXES:
        return open_image(path, fps)
    if (found := known_kind(head)) and not found.is_clip:
        raise InputError(f"{path}: is {found.what}: {found.cure}")
    from data.video.container import open_container

    return open_container(path, fps)


def _is_dicom(path: Path, head: bytes) -> bool:
    # Some archives drop the preamble, or the whole meta header: then a first element of group 2 or 8.
    bare = head[:4] in (
        b"\x02\0\0\0",
        b"\x02\0\x01\0",
        b"\x08\0\x05\0",
        b"\x08\0\x08\0",
        b"\x08\0\x16\0",
        b"\x08\0\0\0",
    )
    return head[128:132] == b"DICM" or bare or path.suffix.casefold() in (".dcm", ".dicom")
