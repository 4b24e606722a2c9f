"""One frame: to 8-bit grey, and to the data set's size."""

from __future__ import annotations

import cv2
import numpy as np


def resize_frame(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize by area: each new pixel is the mean of what it covers, so that speckle does not alias.

    A side that shrinks is resized by OpenCV's `INTER_AREA`, the exact mean rounded to a grey level; a side
    that grows, after that, by `INTER_LINEAR` between pixel centres. The ratio of width to height
    is the caller's (`data.video.framing`): points normalised to the frame stay where they are.

    Args:
        frame: uint8 [h, w].
        size: (H, W), pixels.

    Returns:
        uint8 [H, W]; `frame` itself when it has that size.
    """
    height, width = size
    if frame.shape == (height, width):
        return frame
    smaller = (min(width, frame.shape[1]), min(height, frame.shape[0]))
    if smaller == (width, height):
        return cv2.resize(frame, smaller, interpolation=cv2.INTER_AREA)
    # In float32: `INTER_LINEAR` of 8 bits has weights of 11 bits, which are a grey level off.
    values = cv2.resize(frame.astype(np.float32), smaller, interpolation=cv2.INTER_AREA)
    values = cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def encode_png(frame: np.ndarray) -> bytes:
    """A frame, uint8 [H, W], as an 8-bit grey PNG; equal frames give equal bytes.

    Raises:
        ValueError: another type or shape.
    """
    done, png = cv2.imencode(".png", frame)
    if not done:
        raise ValueError(f"a frame {frame.dtype} {frame.shape} can't be encoded")
    return png.tobytes()


def png_size(png: bytes) -> tuple[int, int]:
    """(H, W) that an 8-bit grey PNG names in its header; (0, 0) of anything else."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[24:26] != b"\x08\x00":
        return 0, 0
    return int.from_bytes(png[20:24], "big"), int.from_bytes(png[16:20], "big")


def grey_frame(image: np.ndarray) -> np.ndarray:
    """Grey uint8 [h, w] of an image array; colour by the luma weights of ITU-R BT.601.

    Args:
        image: uint8, uint16 or bool; [h, w], [h, w, 1], or [h, w, 3 or 4] as RGB(A), whose
            alpha is left out. 16 bits are scaled to 8 over their full range.

    Raises:
        ValueError: another type or shape.
    """
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * 255
    elif image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise ValueError(f"pixels are {image.dtype}, expected 8 or 16 bits without sign")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    elif image.ndim == 3 and image.shape[2] in (3, 4):
        red, green, blue = (image[..., c].astype(np.uint16) for c in range(3))
        # The weights in 256ths sum to 256, so grey stored as colour comes back unchanged.
        image = ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)
    if image.ndim != 2:
        raise ValueError(f"an array of shape {image.shape}, expected one grey or colour image")
    return np.ascontiguousarray(image)
