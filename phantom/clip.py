"""One clip: a body, a motion, a scanner and an observer give frames, gaze and labels."""

from __future__ import annotations

import dataclasses

import numpy as np

from phantom.acoustics import Tissue
from phantom.biometry import Fetus
from phantom.bodies import Body
from phantom.cast import PLANES, Cast, choose_bodies
from phantom.clutter import clutter
from phantom.company import Carried, placed
from phantom.difficulty import Difficulty
from phantom.film import Settings, draw_settings, film, make_grid
from phantom.layout import Layout, lay_out
from phantom.looks import Look
from phantom.mother import maternal_tissue
from phantom.motion import Interval, Motion, label_clip
from phantom.probe import PolarGrid, View
from phantom.shapes import Solid
from phantom.sonographer import ScanPath, look_at
from phantom.tracker import Gaze, Screen


@dataclasses.dataclass(frozen=True)
class Clip:
    """A simulated clip.

    Attributes:
        frames: uint8 [n, H, W]; n = 0 if it was not rendered. intervals: labelled stretches.
        gaze: as recorded, on the screen. path: the truth behind it, at the same times.
        view: what the frames show, mm. body, motion: the truth behind it: what is held, and how it moves.
        kind: of the body, a plane's name (also where a background clip keeps off that plane) or one of `cast.PARTS`.
        settings: of the scanner.
        second: a second body in view, if any, in the first one's coordinates; above: drawn over the first;
            rival: it shows its own plane.
        around: solids about the bodies, in the coordinates of the body about which the clip was laid out.
        far_mm: depth at which the uterine cavity ends.
    """

    frames: np.ndarray
    intervals: list[Interval]
    gaze: Gaze
    path: ScanPath
    view: View
    body: Body
    motion: Motion | Carried
    kind: str
    settings: Settings
    second: Body | None
    above: bool
    rival: bool
    around: tuple[Solid, ...]
    far_mm: float


@dataclasses.dataclass(frozen=True)
class Session:
    """What stays the same over a patient's clips: scanner, its settings, the tracker's calibration."""

    look: Look
    bias_degree: np.ndarray
    screen: Screen


@dataclasses.dataclass(frozen=True)
class Scene:
    """A clip before it is imaged, in the coordinates of the body about which it is laid out.

    Attributes:
        cast, layout: the bodies, and where they lie. settings: of the scanner.
        seen: the bodies in the order in which they are drawn. around: what else moves with them.
        far_mm: depth at which the uterine cavity ends.
        grid, mother: the polar grid and the tissue that stays where it is; None if nothing is to be imaged.
    """

    cast: Cast
    layout: Layout
    settings: Settings
    seen: tuple[Body, ...]
    around: tuple[Solid, ...]
    far_mm: float
    grid: PolarGrid | None
    mother: Tissue | None

    @property
    def solids(self) -> list[Solid]:
        """Everything that moves, in the order of drawing."""
        return [*self.around, *(solid for body in self.seen for solid in body.solids)]

    def film(self, look: Look, fps: float, rng: np.random.Generator) -> np.ndarray:
        """The frames, uint8 [n, H, W]; none where nothing is to be imaged."""
        view, motion = self.layout.view, self.layout.motion
        if self.grid is None or self.mother is None:
            return np.empty((0, view.height, view.width), np.uint8)
        shot = film(self.grid, view, self.settings, look, self.mother, self.solids, motion, fps, rng)
        return np.stack(list(shot))

    def from_held(self) -> tuple[Motion | Carried, Body | None]:
        """The motion of the body that is held, and the second body in that one's coordinates."""
        layout, lead = self.layout, self.cast.bodies[0]
        if layout.second is None or layout.there is None:
            return layout.motion, None
        if self.cast.swapped:
            return Carried(layout.motion, layout.there), placed(lead, layout.there.inverse())
        return layout.motion, placed(layout.second, layout.there)


def simulate_clip(
    fetus: Fetus,
    label: str,
    session: Session,
    rng: np.random.Generator,
    difficulty: Difficulty,
    *,
    frame_size: tuple[int, int],
    fps: float,
    duration_s: float,
    render: bool = True,
) -> Clip:
    """Simulate one clip.

    Args:
        fetus: whose. label: what the clip holds, one of `cast.CLASSES`.
        session: scanner and tracker. frame_size: (H, W), px.
        render: make the frames, which take nearly all the time. Without them the same `rng` gives other labels and
            another gaze, of the same distribution.

    Raises:
        RuntimeError: no layout was found; the bodies' numbers contradict each other.
    """
    scene = set_scene(fetus, label, rng, difficulty, frame_size=frame_size, duration_s=duration_s, render=render)
    cast, layout = scene.cast, scene.layout
    frames = scene.film(session.look, fps, rng)
    intervals = label_clip(scene.seen, layout.motion, label if label in PLANES else None, rng)
    motion, second = scene.from_held()
    above = second is not None and (scene.seen[-1] is cast.bodies[0]) == cast.swapped
    plane = cast.kind if cast.kind in PLANES else None
    path, gaze = look_at(
        cast.held, plane, fetus.trimester, motion, layout.view, session.screen, session.bias_degree, rng
    )
    return Clip(
        frames,
        intervals,
        gaze,
        path,
        layout.view,
        cast.held,
        motion,
        cast.kind,
        scene.settings,
        second,
        above,
        rival=cast.shared and label in PLANES,
        around=scene.around,
        far_mm=scene.far_mm,
    )


def set_scene(
    fetus: Fetus,
    label: str,
    rng: np.random.Generator,
    difficulty: Difficulty,
    *,
    frame_size: tuple[int, int],
    duration_s: float,
    render: bool = True,
) -> Scene:
    """Everything of a clip that is there before it is imaged; arguments as in `simulate_clip`."""
    # The scanner's settings come from a generator of their own: the same whatever the clip shows.
    scanner_rng = np.random.default_rng(rng.integers(2**63))
    cast = choose_bodies(fetus, label, rng, difficulty)
    lead, is_plane = cast.bodies[0], label in PLANES
    layout = lay_out(cast.kinds, cast.bodies, is_plane, cast.shared, difficulty, frame_size, duration_s, rng)
    focus_mm = layout.motion.still.y
    around = clutter(rng, difficulty.clutter, lead.radius, lead.extent)
    settings = draw_settings(scanner_rng, layout.view, layout.depth_mm, focus_mm, difficulty.noise_floor_db)
    radius = max(body.radius for body in cast.bodies if body is not None)
    far_mm = focus_mm + radius * rng.uniform(0.9, 1.6)
    grid = mother = None
    if render:
        grid = make_grid(layout.view, settings)
        mother = maternal_tissue(grid, rng, layout.wall_mm, far_mm, rng.uniform(0.2, 0.8))
    seen = [lead]
    if layout.second is not None and layout.there is not None:  # drawn later lies on top: of two rivals either may
        rival = cast.shared and is_plane
        seen.insert(int(rival and rng.uniform() < 0.5), placed(layout.second, layout.there))
    return Scene(cast, layout, settings, tuple(seen), tuple(around), far_mm, grid, mother)
