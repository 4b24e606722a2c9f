"""The answer drawn on a picture: class, confidence, a timeline of the clip, and where the model looks."""

from __future__ import annotations

import dataclasses

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.video.framing import place_image
from deployment.prediction import Prediction, View
from evaluation.artefacts import Metadata
from evaluation.figures import PALETTE

_PICTURE_HEIGHT, _LEAST_WIDTH, _PANEL_HEIGHT = 480, 480, 128
_MARGIN = 12
_PAPER, _INK, _FAINT, _TRACK = (250, 250, 250), (20, 20, 20), (95, 95, 95), (222, 222, 222)
_REJECTED, _FLAGGED = (190, 190, 190), (70, 70, 70)
_OVERLAY = 0.6
_FLAG_WORDS = {"unlike": "unlike the training frames", "upside_down": "upside down"}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Sizes of an annotated video, pixels.

    Attributes:
        picture: x, y, width, height of the ultrasound image in it.
        size: (width, height) of the whole, both even.
    """

    picture: tuple[int, int, int, int]
    size: tuple[int, int]


class Annotator:
    """Draws the frames of one clip.

    Args:
        prediction: of the clip.
        size: (width, height) of the clip's pictures.
        view: what of them is shown.
        metadata: of the artefact.
        title: written at the bottom, such as the input's name.
    """

    def __init__(
        self, prediction: Prediction, size: tuple[int, int], view: View, metadata: Metadata, title: str
    ) -> None:
        self._prediction, self._view, self._metadata = prediction, view, metadata
        self._crop = view.crop or (0, 0, *size)
        self._place = place_image(size[::-1], metadata.frame_size, metadata.fit, view.pixel_aspect, view.crop)
        self.layout = _layout(self._crop, view.pixel_aspect)
        self._colours = {name: _rgb(PALETTE[k % len(PALETTE)]) for k, name in enumerate(prediction.classes)}
        self._rows = prediction.table.to_dict("records")
        self._background = self._draw_background(title)

    def draw(self, index: int, picture: np.ndarray, attention: np.ndarray | None = None) -> np.ndarray:
        """One frame of the annotated video.

        Args:
            index: of the frame. picture: uint8 [h, w], grey, as decoded.
            attention: [h', w'], a density over the artefact's frame, or None.

        Returns:
            uint8 [H, W, 3], RGB.
        """
        canvas = self._background.copy()
        canvas.paste(Image.fromarray(self._shown(picture, attention)), self.layout.picture[:2])
        self._draw_answer(ImageDraw.Draw(canvas), self._rows[index])
        return np.asarray(canvas)

    def _shown(self, picture: np.ndarray, attention: np.ndarray | None) -> np.ndarray:
        x, y, wide, high = self._crop
        _, _, width, height = self.layout.picture
        part = picture[y : y + high, x : x + wide]
        smaller = width <= wide
        grey = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        shown = np.repeat(grey[..., None], 3, axis=2)
        if attention is None:
            return shown
        frame_height, frame_width = self._metadata.frame_size
        whole = cv2.resize(attention.astype(np.float32), (frame_width, frame_height), interpolation=cv2.INTER_LINEAR)
        left, top, inner_width, inner_height = self._place.inner
        inner = whole[top : top + inner_height, left : left + inner_width]
        strength = cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR)
        strength = np.clip(strength / max(float(strength.max()), 1e-12), 0, 1)
        colours = matplotlib.colormaps["inferno"](strength)[..., :3] * 255
        alpha = (_OVERLAY * strength)[..., None]
        return np.clip((1 - alpha) * shown + alpha * colours, 0, 255).astype(np.uint8)

    def _draw_background(self, title: str) -> Image.Image:
        """What is the same on every frame: paper, timeline, legend."""
        width, height = self.layout.size
        canvas = Image.new("RGB", (width, height), (0, 0, 0))
        draw = ImageDraw.Draw(canvas)
        top = height - _PANEL_HEIGHT
        draw.rectangle([0, top, width, height], fill=_PAPER)
        left, right = self._timeline()
        y = top + 62
        draw.rectangle([left, y, right, y + 14], fill=_TRACK)
        for index, row in enumerate(self._rows):
            start = self._at(row["time_s"])
            end = self._at(self._rows[index + 1]["time_s"]) if index + 1 < len(self._rows) else right
            colour = _FLAGGED if row["flag"] else _REJECTED if row["rejected"] else self._colours[row["smoothed_class"]]
            draw.rectangle([start, y, max(end, start + 1), y + 14], fill=colour)
        x, font = _MARGIN, _font(13)
        entries = [*self._colours.items(), ("rejected", _REJECTED), ("flagged", _FLAGGED)]
        for name, colour in entries:
            text = _fitted(draw, name, font, (width - 2 * _MARGIN) // len(entries) - 22)
            draw.rectangle([x, top + 86, x + 11, top + 97], fill=colour)
            draw.text((x + 16, top + 83), text, fill=_INK, font=font)
            x += round(draw.textlength(text, font)) + 30
        draw.text((_MARGIN, top + 105), _fitted(draw, title, font, width - 120), fill=_FAINT, font=font)
        return canvas

    def _draw_answer(self, draw: ImageDraw.ImageDraw, row: dict) -> None:
        width, height = self.layout.size
        top = height - _PANEL_HEIGHT
        name, confidence, threshold = row["smoothed_class"], row["confidence"], self._prediction.rule.threshold
        if row["flag"]:
            text, colour = _FLAG_WORDS[row["flag"]], _FLAGGED
        elif row["rejected"]:
            text, colour = f"{name}? rejected", _FAINT
        else:
            text, colour = name, self._colours[name]
        draw.rectangle([_MARGIN, top + 10, _MARGIN + 18, top + 28], fill=colour)
        draw.text((_MARGIN + 28, top + 6), _fitted(draw, text, _font(22), width - 150), fill=_INK, font=_font(22))
        draw.text((width - _MARGIN, top + 6), f"{confidence:.2f}", fill=_INK, font=_font(22), anchor="ra")
        left, right, y = _MARGIN, width - _MARGIN, top + 40
        draw.rectangle([left, y, right, y + 8], fill=_TRACK)
        draw.rectangle([left, y, left + round((right - left) * confidence), y + 8], fill=colour)
        mark = left + round((right - left) * threshold)
        draw.line([mark, y - 3, mark, y + 11], fill=_INK, width=2)
        at = self._at(row["time_s"])
        draw.line([at, top + 58, at, top + 80], fill=_INK, width=3)
        clock = f"{row['time_s']:.2f} / {self._rows[-1]['time_s']:.2f} s"
        draw.text((width - _MARGIN, top + 105), clock, fill=_FAINT, font=_font(13), anchor="ra")

    def _timeline(self) -> tuple[int, int]:
        return _MARGIN, self.layout.size[0] - _MARGIN

    def _at(self, time_s: float) -> int:
        """Where a time lies on the timeline; the last frame is given the mean step."""
        left, right = self._timeline()
        first, last = self._rows[0]["time_s"], self._rows[-1]["time_s"]
        span = (last - first) * len(self._rows) / max(len(self._rows) - 1, 1)
        return left + round((right - left) * (time_s - first) / span) if span > 0 else left


def draw_crop(picture: np.ndarray, box: tuple[int, int, int, int] | None, caption: str) -> np.ndarray:
    """A picture uint8 [h, w] with the box that is shown of it: uint8 [H, W, 3], RGB."""
    height, width = picture.shape
    scale = max(1, -(-640 // width))
    canvas = Image.fromarray(picture).convert("RGB").resize((width * scale, height * scale), Image.Resampling.BICUBIC)
    sheet = Image.new("RGB", (canvas.width, canvas.height + 26), _PAPER)
    sheet.paste(canvas)
    draw = ImageDraw.Draw(sheet)
    if box is not None:
        x, y, wide, high = (scale * side for side in box)
        draw.rectangle([x, y, x + wide - 1, y + high - 1], outline=_rgb(PALETTE[4]), width=max(2, sheet.width // 400))
    draw.text((6, canvas.height + 4), _fitted(draw, caption, _font(14), sheet.width - 12), fill=_INK, font=_font(14))
    return np.asarray(sheet)


def _layout(crop: tuple[int, int, int, int], pixel_aspect: float) -> Layout:
    wide, high = crop[2] * pixel_aspect, crop[3]
    scale = _PICTURE_HEIGHT / high
    width, height = max(2, round(wide * scale)), _PICTURE_HEIGHT
    if width > 2 * _PICTURE_HEIGHT:  # a strip: its width decides
        width, height = 2 * _PICTURE_HEIGHT, max(2, round(2 * _PICTURE_HEIGHT * high / wide))
    whole = max(width, _LEAST_WIDTH)
    size = whole + whole % 2, height + height % 2 + _PANEL_HEIGHT
    return Layout(((size[0] - width) // 2, 0, width, height), size)


def _fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    """As much of a text's beginning as fits."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
