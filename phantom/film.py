"""From a body in motion to the frames of a clip: the scanner and its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from phantom import looks
from phantom.acoustics import Receiver, Tissue, power_to_decibels
from phantom.motion import Motion
from phantom.probe import PolarGrid, Probe, View
from phantom.scan_converter import ScanConverter
from phantom.scatterers import Lattice
from phantom.section import Section
from phantom.shapes import Solid

_SAMPLES_PER_PX, _LINES_PER_PX = 2.2, 1.1
NARROWEST = Probe(radius_mm=44.6, angle=np.deg2rad(60))  # of the probes that are drawn


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the sonographer has set for a clip.

    Attributes:
        probe: the probe and its focus. depth_mm: of the sector.
        noise_db: electronic noise, dB relative to soft tissue at the face.
        gain_error_db: [6] error of the time-gain compensation at equal steps of depth.
        brightness: mean grey level that the gain is turned to, 0 to 1. marks: uint8 [H, W] on the screen.
    """

    probe: Probe
    depth_mm: float
    noise_db: float
    gain_error_db: np.ndarray
    brightness: float
    marks: np.ndarray


def draw_settings(rng: np.random.Generator, view: View, depth_mm: float, focus_mm: float, noise_db: float) -> Settings:
    """Settings for a clip, drawn without knowledge of what it shows.

    Args:
        focus_mm, noise_db: about which focus and noise are spread.
    """
    probe = Probe(
        frequency_mhz=3.57 * rng.uniform(0.85, 1.2),
        radius_mm=NARROWEST.radius_mm * rng.uniform(1, 1.28),
        angle=NARROWEST.angle * rng.uniform(1, 1.27),
        focus_mm=focus_mm * rng.uniform(0.8, 1.2),
    )
    noise_db = noise_db + rng.uniform(-4, 4)
    error = rng.uniform(-2, 2, 6)
    return Settings(probe, depth_mm, noise_db, error, rng.uniform(0.15, 0.31), looks.draw_marks(rng, view))


def make_grid(view: View, settings: Settings) -> PolarGrid:
    """The polar grid that a frame of this size needs."""
    samples = int(np.clip(settings.depth_mm / view.mm_per_px * _SAMPLES_PER_PX, 128, 1024))
    return PolarGrid(settings.probe, settings.depth_mm, samples, int(_LINES_PER_PX * view.width), view)


def film(
    grid: PolarGrid,
    view: View,
    settings: Settings,
    look: looks.Look,
    mother: Tissue,
    solids: list[Solid],
    motion: Motion,
    fps: float,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """The frames of a clip, one after the other, uint8 [H, W].

    Args:
        mother: the tissue that stays where it is. solids: what moves, in the order of drawing.
        motion: gives the pose at each time; see `phantom.motion.Motion`.
    """
    receiver = Receiver(grid, look.speckle_size, settings.noise_db, rng)
    convert = ScanConverter(grid, view)
    lattice = Lattice(grid, motion.still.y, look.speckle_size, rng)
    gain_db = time_gain_db(grid, settings.gain_error_db)[grid.first_row :, None]

    def level(index: int) -> np.ndarray:
        tissue = mother.copy()
        section = Section(grid, tissue, motion.pose(index / fps))
        for solid in solids:
            solid.draw(section)
        decibels = power_to_decibels(receiver.power(tissue, lattice.at(section), rng))
        decibels += gain_db
        return decibels

    count = round(motion.duration_s * fps)
    # The gain is turned by a look at three moments; no more than these are held in memory.
    ahead = {index: level(index) for index in sorted({0, count // 2, count - 1})}
    gain = np.float32(_turned_gain(list(ahead.values()), convert.weight(), look, settings.brightness))
    last = None
    for index in range(count):
        shown = ahead.pop(index, None)
        shown = level(index) if shown is None else shown
        shown += gain
        np.clip(shown, -look.dynamic_range_db, 0, out=shown)
        frame = looks.grey_curve(convert(shown), look)
        last = frame if last is None else look.persistence * last + (1 - look.persistence) * frame
        yield looks.finish(last, convert.sector, look, settings.marks)


def time_gain_db(grid: PolarGrid, error_db: np.ndarray) -> np.ndarray:
    """Time-gain compensation at each depth, dB, float32 [n].

    What soft tissue of 0.5 dB/cm/MHz takes away on both ways, and the user's error.
    """
    ideal = 2 * 0.5 * grid.probe.frequency_mhz * grid.depth / 10
    knots = np.linspace(0, grid.depth[-1], len(error_db))
    return (ideal + np.interp(grid.depth, knots, error_db)).astype(np.float32)


def _turned_gain(levels: list[np.ndarray], weight: np.ndarray, look: looks.Look, brightness: float) -> float:
    shown = np.flatnonzero(weight)
    pick = shown[:: max(1, len(shown) // 3000)]
    sample = np.concatenate([level.ravel()[pick] for level in levels])
    return looks.auto_gain_db(sample, np.tile(weight[pick], len(levels)), look, brightness)
