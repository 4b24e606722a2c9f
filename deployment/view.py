"""What of a clip's or a stream's pictures is shown: the crop, and the fan in it, as `prepare` cuts and blanks them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common.errors import InputError
from data.video.clip import Video
from data.video.fan import find_fan
from deployment.prediction import View

# Frames spread over a clip in which its fan is looked for, and how much of a long clip a crop is looked for in.
FAN_FRAMES = 16
FAN_SPAN_S = 60.0
BY_HAND = "give crop as x,y,width,height, or none for the whole picture"
_CURE = "give crop as x,y,width,height (show_crop draws what was found), or none for the whole picture"


@dataclasses.dataclass(frozen=True)
class FoundView:
    """What of a clip is shown, and why.

    Attributes:
        view: for `prepare`.
        how: "given", "found" or "whole".
        confidence: of the fan that was found, 0 to 1; None where none was looked for.
        refused: why what was found is not used; "" where it is.
        not_blanked: why nothing is blanked although the artefact's frames were; "" otherwise.
    """

    view: View
    how: str
    confidence: float | None = None
    refused: str = ""
    not_blanked: str = ""

    @property
    def fan(self) -> dict[str, Any]:
        """For a summary: whether what lies outside the fan was blanked, and why not where it should have been."""
        return {"blanked": self.view.mask is not None, "unsure": self.not_blanked}


def find_view(
    video: Video, crop: str, box: tuple[int, int, int, int] | None, fan: str, pixel_aspect: float
) -> FoundView:
    """What of a clip is shown.

    Args:
        video: opened. Where a fan is looked for it is decoded once more: a minute of it for a crop, all of it for
            blanking, whose fan is then the one that `prepare` finds.
        crop: "auto", "none", or a box as text. box: that box.
        fan: the artefact's rule, "keep" or "blank" (what lies outside the fan).
        pixel_aspect: width over height of one pixel.
    """
    pictures: list[np.ndarray] = []
    if crop == "auto" or fan == "blank":
        pictures = sample_frames(video, None if fan == "blank" else FAN_SPAN_S)
    return view_of(pictures, video.size, crop, box, fan, pixel_aspect)


def view_of(
    pictures: Sequence[np.ndarray],
    size: tuple[int, int],
    crop: str,
    box: tuple[int, int, int, int] | None,
    fan: str,
    pixel_aspect: float,
) -> FoundView:
    """What is shown of pictures of one size.

    Args:
        pictures: uint8 [h, w], some of them, in which a fan is looked for: in the whole picture for crop "auto", else
            inside the crop, as `prepare` does. size: (w, h).
        crop, box, fan, pixel_aspect: as for `find_view`.
    """
    width, height = size
    x, y, wide, high = box or (0, 0, width, height)
    if not wide or not high or x + wide > width or y + high > height:
        return FoundView(View(box, None, pixel_aspect), "given", None, f"lies outside the picture of {width}x{height}")
    if crop == "auto":
        found = find_fan(pictures)
        blanked = (found.mask, found.marks) if fan == "blank" and found.sure else (None, None)
        return FoundView(View(found.box, blanked[0], pixel_aspect, blanked[1]), "found", found.confidence, found.reason)
    how = "given" if box else "whole"
    if fan != "blank":
        return FoundView(View(box, None, pixel_aspect), how)
    found = find_fan([picture[y : y + high, x : x + wide] for picture in pictures])
    if not found.sure:
        return FoundView(View(box, None, pixel_aspect), how, found.confidence, not_blanked=found.reason)
    mask, marks = np.zeros((2, height, width), dtype=bool)
    mask[y : y + high, x : x + wide] = found.mask
    marks[y : y + high, x : x + wide] = False if found.marks is None else found.marks
    return FoundView(View(box, mask, pixel_aspect, marks), how, found.confidence)


def require(found: FoundView, name: str, cure: str = _CURE) -> View:
    """The view of an input.

    Args:
        found: of it. name: of it, for the message. cure: where what was found is not sure.

    Raises:
        InputError: it was refused; says why.
    """
    if not found.refused:
        return found.view
    box = ",".join(map(str, found.view.crop or ()))
    if found.how == "given":
        raise InputError(f"{name}: crop {box} {found.refused}: correct it")
    raise InputError(f"{name}: where the ultrasound image lies is not sure ({found.refused}; found {box}): {cure}")


def unblanked_notice(found: FoundView, name: str) -> str:
    """What to say of an input whose fan is not sure; "" where there is nothing to say."""
    if not found.not_blanked:
        return ""
    return (
        f"{name}: where its fan lies is not sure ({found.not_blanked}), so nothing is blanked, and the model was "
        "trained on blanked frames"
    )


def sample_frames(video: Video, span_s: float | None = FAN_SPAN_S) -> list[np.ndarray]:
    """Up to `FAN_FRAMES` frames uint8 [h, w], spread evenly over the first `span_s` of a clip; None = all of it."""
    last = len(video) if span_s is None else int(np.searchsorted(video.times_s, span_s, side="right"))
    wanted = set(np.linspace(0, last - 1, FAN_FRAMES).round().astype(int).tolist())
    return list(_chosen(video, wanted))


def _chosen(video: Video, wanted: set[int]) -> Iterator[np.ndarray]:
    for index, _, frame in video:
        if index in wanted:
            yield frame
        if index >= max(wanted):
            return
