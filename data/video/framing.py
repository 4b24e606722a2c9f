"""From an image to a frame, and back: the one rule of preparation, evaluation, prediction and devices.

1. Marks are painted over, and what lies outside a mask becomes black, where these are given; the image is cropped.
2. `fit` "pad": the largest whole number of pixels with the image's ratio of width to height that the frame
   holds (half a pixel is rounded up), in the frame's middle (an odd pixel goes to the right or below), on black.
   `fit` "stretch": the whole frame, whatever the ratio.
3. Each side is resized as `data.frames.resize_frame` says: by area, which is OpenCV's `INTER_AREA`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeVar, get_args

import numpy as np

from common.errors import InputError
from data.frames import resize_frame
from data.video.overlay import paint_over

Fit = Literal["pad", "stretch"]
FanRule = Literal["keep", "blank"]
FITS: tuple[str, ...] = get_args(Fit)
FAN_RULES: tuple[str, ...] = get_args(FanRule)
# Pixels of a known export are never longer than this.
MAX_PIXEL_ASPECT = 10.0

Box = tuple[int, int, int, int]
Points = TypeVar("Points", float, np.ndarray)


@dataclasses.dataclass(frozen=True)
class FrameRule:
    """How images became the frames of a data set; `dataset.json` has these fields.

    Attributes:
        fit: "pad" or "stretch".
        pixel_aspect: width over height of one pixel of the images.
        fan: "keep", or "blank" where what lies outside the fan was blanked.

    Raises:
        InputError: a value that is no rule.
    """

    fit: str = "pad"
    pixel_aspect: float = 1.0
    fan: str = "keep"

    def __post_init__(self) -> None:
        check_rule(self.fit, self.pixel_aspect, self.fan)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where an image lies in its frame.

    Attributes:
        crop: x, y, width, height of the part of the image that is shown, pixels of the image.
        inner: x, y, width, height of that part in the frame, pixels of the frame.
        frame_size: (H, W), pixels.
    """

    crop: Box
    inner: Box
    frame_size: tuple[int, int]

    def to_frame(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Points normalised to the cropped image (0 = left or top edge) → normalised to the frame."""
        left, top, width, height = self.inner
        return (left + x * width) / self.frame_size[1], (top + y * height) / self.frame_size[0]

    def to_crop(self, x: Points, y: Points) -> tuple[Points, Points]:
        """The inverse of `to_frame`; what lies on the padding comes out below 0 or above 1."""
        left, top, width, height = self.inner
        return (x * self.frame_size[1] - left) / width, (y * self.frame_size[0] - top) / height


def place_image(
    image_size: tuple[int, int],
    frame_size: tuple[int, int],
    fit: str = "pad",
    pixel_aspect: float = 1.0,
    crop: Box | None = None,
) -> Placement:
    """Where `prepare_image` puts an image.

    Args:
        image_size: (h, w), pixels.
        frame_size: (H, W), pixels.
        fit: "pad" keeps the ratio of width to height, "stretch" does not.
        pixel_aspect: width over height of one pixel of the image; above 1 where an export made a
            wide image narrow.
        crop: x, y, width, height of what is shown of the image, pixels; None = all of it.

    Raises:
        InputError: an unknown fit, an impossible pixel aspect, or a crop that is not inside the image.
    """
    check_rule(fit, pixel_aspect)
    height, width = image_size
    x, y, wide, high = crop = (0, 0, width, height) if crop is None else crop
    if x < 0 or y < 0 or wide < 1 or high < 1 or x + wide > width or y + high > height:
        raise InputError(f"crop {','.join(map(str, crop))} must lie inside the image of {width}x{height} pixels")
    frame_height, frame_width = frame_size
    if fit == "stretch":
        return Placement(crop, (0, 0, frame_width, frame_height), frame_size)
    shown = wide * pixel_aspect
    if shown * frame_height >= high * frame_width:
        inner_width, inner_height = frame_width, _rounded(high * frame_width / shown, frame_height)
    else:
        inner_width, inner_height = _rounded(shown * frame_height / high, frame_width), frame_height
    left, top = (frame_width - inner_width) // 2, (frame_height - inner_height) // 2
    return Placement(crop, (left, top, inner_width, inner_height), frame_size)


def prepare_image(
    image: np.ndarray,
    frame_size: tuple[int, int],
    fit: str = "pad",
    pixel_aspect: float = 1.0,
    crop: Box | None = None,
    mask: np.ndarray | None = None,
    marks: np.ndarray | None = None,
) -> np.ndarray:
    """An image as a frame.

    Args:
        image: uint8 [h, w], grey (`data.frames.grey_frame`).
        frame_size, fit, pixel_aspect, crop: see `place_image`.
        mask: bool [h, w], what to keep, such as `Fan.mask`; the rest becomes black. None = all.
        marks: bool [h, w], what to paint over, such as `Fan.marks`. None = nothing.

    Returns:
        uint8 [H, W].

    Raises:
        InputError: as `place_image`.
        ValueError: an image that is not uint8 [h, w], or a mask or marks of another shape.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"image is {image.dtype} {image.shape}, expected uint8 [h, w]")
    for name, given in (("mask", mask), ("marks", marks)):
        if given is not None and given.shape != image.shape:
            raise ValueError(f"{name}: {given.shape}, the image {image.shape}")
    place = place_image((image.shape[0], image.shape[1]), frame_size, fit, pixel_aspect, crop)
    x, y, width, height = place.crop
    inside = (slice(y, y + height), slice(x, x + width))
    part = image[inside]
    if marks is not None:  # of what is inside alone, as where the crop was cut out before
        part = paint_over(part, marks[inside])
    if mask is not None:
        part = np.where(mask[inside], part, np.uint8(0))
    left, top, inner_width, inner_height = place.inner
    resized = resize_frame(part, (inner_height, inner_width))
    if resized.shape == tuple(frame_size):
        return resized
    frame = np.zeros(frame_size, np.uint8)
    frame[top : top + inner_height, left : left + inner_width] = resized
    return frame


def check_rule(fit: str, pixel_aspect: float = 1.0, fan: str = "keep") -> None:
    """Refuse what is no rule.

    Raises:
        InputError: names the parameter.
    """
    for name, value, choices in (("fit", fit, FITS), ("fan", fan, FAN_RULES)):
        if value not in choices:
            raise InputError(f"{name} must be {' or '.join(choices)}, not {value!r}")
    if not 1 / MAX_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT:
        raise InputError(
            f"pixel_aspect must be the width over the height of a pixel, {1 / MAX_PIXEL_ASPECT:g} to "
            f"{MAX_PIXEL_ASPECT:g}, not {pixel_aspect:g}"
        )


def _rounded(value: float, most: int) -> int:
    return min(most, max(1, math.floor(value + 0.5)))
