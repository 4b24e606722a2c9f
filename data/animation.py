"""A clip as an animated GIF: grey frames, a gaze trail that fades, a caption."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TRAIL = ((150, 95, 0), (190, 125, 0), (230, 159, 0), (255, 205, 70))  # oldest to newest
_GREYS = 256 - len(_TRAIL)
_CAPTION_PX = 34  # two lines
_LEAST_WIDTH_PX = 240


def write_animation(
    path: str | os.PathLike,
    frames: np.ndarray,
    trails: Sequence[np.ndarray],
    captions: Sequence[str],
    fps: float,
) -> None:
    """Write an animated GIF.

    Small frames are enlarged by a whole factor, so that the caption can be read.

    Args:
        path: of the GIF. frames: uint8 [n, H, W], grey.
        trails: gaze points of each frame, [k, 2] as (x, y) in pixels of the frame, oldest
            first; they are drawn smaller and darker the older they are.
        captions: one or two lines of text below each frame. fps: frames per second.
    """
    images = [_picture(*each) for each in zip(frames, trails, captions)]
    # Every frame carries the same palette, so that greys don't flicker from frame to frame.
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,
        optimize=False,
        disposal=1,
    )


def _picture(frame: np.ndarray, trail: np.ndarray, caption: str) -> Image.Image:
    height, width = frame.shape
    scale = max(1, -(-_LEAST_WIDTH_PX // width))
    size = width * scale, height * scale
    canvas = Image.new("L", (size[0], size[1] + _CAPTION_PX))
    canvas.paste(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))
    ImageDraw.Draw(canvas).text((4, size[1] + 2), caption, fill=255, font=ImageFont.load_default(12))
    greys = (np.asarray(canvas, np.uint16) * (_GREYS - 1) // 255).astype(np.uint8)
    picture = Image.fromarray(greys).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette(_palette())
    draw = ImageDraw.Draw(picture)
    for place, (x, y) in enumerate(trail):
        age = (place + 1) / len(trail)
        radius = size[0] * (0.003 + 0.009 * age)
        middle = (x + 0.5) * scale, (y + 0.5) * scale
        # A point outside the image must not be drawn over the caption.
        if 0 <= middle[0] < size[0] and 0 <= middle[1] < size[1] - radius:
            box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
            draw.ellipse(box, fill=_GREYS + min(int(age * len(_TRAIL)), len(_TRAIL) - 1))
    return picture


def _palette() -> list[int]:
    greys = [round(255 * level / (_GREYS - 1)) for level in range(_GREYS) for _ in range(3)]
    return greys + [part for colour in _TRAIL for part in colour]
