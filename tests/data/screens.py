"""Screens of a scanner around simulated clips, whose fan is known."""

from __future__ import annotations

import cv2
import numpy as np

from phantom.biometry import draw_fetus
from phantom.cast import CLASSES
from phantom.clip import set_scene
from phantom.difficulty import get_difficulty
from phantom.looks import draw_look
from phantom.scan_converter import ScanConverter

SIZE = (96, 128)


def simulated(seed: int, frames: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [n, H, W] of a clip, and its sector, bool [H, W]."""
    rng = np.random.default_rng([7, seed])
    fetus, look = draw_fetus(rng), draw_look(rng)
    label, level = CLASSES[seed % len(CLASSES)], get_difficulty("default")
    scene = set_scene(fetus, label, rng, level, frame_size=SIZE, duration_s=4.0)
    return scene.film(look, frames / 4.0, rng), ScanConverter(scene.grid, scene.layout.view).sector > 0.5


def compose(frames: np.ndarray, sector: np.ndarray, seed: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Screens uint8 [n, H, W] with letters, a grey bar, depth ticks and a running clock, and the box of the fan."""
    rng = np.random.default_rng(seed)
    high, wide = int(rng.integers(600, 1081)), int(rng.integers(800, 1921))
    scale = rng.uniform(0.5, 0.95) * min(high / frames.shape[1], wide / frames.shape[2])
    height, width = round(frames.shape[1] * scale), round(frames.shape[2] * scale)
    x, y = int(rng.integers(0, wide - width + 1)), int(rng.integers(0, high - height + 1))
    screen = np.full((high, wide), rng.choice([0, 0, 0, 3, 16]), np.uint8)
    for _ in range(14):
        place = (int(rng.integers(0, wide - 80)), int(rng.integers(12, high)))
        if x - 160 < place[0] < x + width and y < place[1] < y + height + 20:
            continue
        words = "".join(rng.choice(list("ABCDEF0123456789.:/ "), int(rng.integers(4, 14))))
        cv2.putText(screen, words, place, 0, rng.uniform(0.4, 0.9), int(rng.integers(120, 256)), 1)
    if x > 40:
        screen[y + 10 : y + 120, x - 30 : x - 18] = np.linspace(255, 0, len(screen[y + 10 : y + 120]))[:, None]
    for tick in range(0, height, max(8, height // 12)):
        screen[y + tick : y + tick + 2, x + width + 2 : x + width + 6] = 200
    shown = []
    for number, frame in enumerate(frames):
        one = screen.copy()
        picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        one[y : y + height, x : x + width] = np.maximum(one[y : y + height, x : x + width], picture)
        cv2.putText(one, f"{number:02d}/{len(frames)} {37 * number % 61}", (5, high - 8), 0, 0.6, 220, 1)
        shown.append(one)
    inside = cv2.resize(sector.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    left, top, box_width, box_height = cv2.boundingRect(inside)
    return np.array(shown), (x + left, y + top, box_width, box_height)


def box_error(found: tuple[int, int, int, int], true: tuple[int, int, int, int]) -> float:
    """The farthest of the four sides, as a share of the true box."""
    (x, y, w, h), (tx, ty, tw, th) = found, true
    return max(abs(x - tx) / tw, abs(x + w - tx - tw) / tw, abs(y - ty) / th, abs(y + h - ty - th) / th)


def speckle(inside, frames=1, seed=0):
    """Speckle in a shape on black: uint8 [n, h, w]."""
    rng = np.random.default_rng(seed)
    noise = rng.rayleigh(40, (frames, *inside.shape)).clip(8, 255)
    return (noise * inside).astype(np.uint8)


def curved(size, apex, angle, radii):
    """A curved fan, bool [h, w]: its apex (x, y), half its angle, radians, and the radii of probe and depth, pixels."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    radius = np.hypot(x - apex[0], y - apex[1])
    return (np.abs(np.arctan2(x - apex[0], y - apex[1])) <= angle) & (radius >= radii[0]) & (radius <= radii[1])
