"""One frame: to 8-bit grey, and to the data set's size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse


def resize_frame(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize by area: each new pixel is the mean of what it covers, so that speckle does not alias.

    A side that grows is interpolated linearly between pixel centres. Both are linear
    maps along one axis, applied as sparse matrices. The aspect ratio is not kept:
    points normalised to the frame stay where they are.

    Args:
        frame: uint8 [h, w].
        size: (H, W), pixels.

    Returns:
        uint8 [H, W]; `frame` itself when it has that size.
    """
    height, width = size
    if frame.shape == (height, width):
        return frame
    columns_first = frame.shape[1] - width > frame.shape[0] - height
    values = frame.astype(np.float32)
    if columns_first:
        values = _axis_weights(frame.shape[0], height) @ (_axis_weights(frame.shape[1], width) @ values.T).T
    else:
        values = (_axis_weights(frame.shape[1], width) @ (_axis_weights(frame.shape[0], height) @ values).T).T
    return np.ascontiguousarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


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


@lru_cache(maxsize=32)
def _axis_weights(old: int, new: int) -> sparse.csr_array:
    """Weights float32 [new, old] of one axis; each row sums to 1."""
    if new > old:
        return _linear_weights(old, new)
    scale = old / new
    edges = np.arange(new + 1) * scale
    rows, columns, weights = [], [], []
    for row in range(new):
        first, last = int(edges[row]), min(int(np.ceil(edges[row + 1])), old)
        pixels = np.arange(first, last)
        covered = np.minimum(pixels + 1, edges[row + 1]) - np.maximum(pixels, edges[row])
        rows.append(np.full(len(pixels), row))
        columns.append(pixels)
        weights.append(covered / covered.sum())
    return _csr(rows, columns, weights, (new, old))


def _linear_weights(old: int, new: int) -> sparse.csr_array:
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.minimum(centres.astype(int), max(old - 2, 0))
    right = np.minimum(left + 1, old - 1)
    share = centres - left
    rows = np.arange(new)
    return _csr([rows, rows], [left, right], [1 - share, share], (new, old))


def _csr(rows, columns, weights, shape) -> sparse.csr_array:
    values = np.concatenate(weights).astype(np.float32)
    return sparse.csr_array((values, (np.concatenate(rows), np.concatenate(columns))), shape=shape)
