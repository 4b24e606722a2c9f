"""What a body is: head, abdomen and thigh, or what else a sonographer passes.

Each is a list of solids in the order in which they are drawn, in mm. Because the
solids have thickness across the plane, the same body gives the standard plane at
elevation 0 and realistic near misses elsewhere: a skull without cavum, an abdomen
through the kidneys, a femur cut short.

Sources: sizes from the growth charts; landmark sizes and echogenicities from
textbook anatomy, spread widely, and meant as variation rather than measurement.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

from phantom.probe import Probe
from phantom.section import Pose
from phantom.shapes import Solid

FLUID_DB = -45.0
FLUID: dict[str, Any] = {"echo_db": FLUID_DB, "attenuation": 0.02}


@dataclasses.dataclass(frozen=True)
class Body:
    """A part of the fetus.

    Attributes:
        solids: in the order in which they are drawn.
        radius: of a disc that holds its section, mm. extent: its size in a frame, mm.
        defining: names of the solids that make a cut a standard plane; () = there is none.
        held, gone: share of each of them that the cut must show to be the plane, and
            above which it may show none to be background.
        reach: elevation at which they are just gone, mm, to the negative and to the
            positive side; off_limit: at which there is still something else to see.
        tilt: slope along u at which a cut through the middle is no plane any more; 0 = none is.
        ends: where along u what must all be in the frame ends, mm.
    """

    solids: tuple[Solid, ...]
    radius: float
    extent: float
    defining: tuple[str, ...] = ()
    held: float = 0.6
    gone: float = 0.0
    reach: tuple[float, float] = (0.0, 0.0)
    off_limit: tuple[float, float] = (1.0, 1.0)
    tilt: float = 0.0
    ends: tuple[float, float] = (0.0, 0.0)

    def shown(self, pose: Pose) -> tuple[float, float]:
        """How much the cut shows of the defining solid that it shows least, and most; 0 to 1."""
        shares = [max(solid.visible(pose) for solid in alike) for alike in self._defining_solids]
        return (min(shares), max(shares)) if shares else (0.0, 0.0)

    @functools.cached_property
    def _defining_solids(self) -> list[list[Solid]]:
        """The solids of each name that makes the plane: of those that share a name the best seen one counts."""
        found: list[list[Solid]] = [[solid for solid in self.solids if solid.name == name] for name in self.defining]
        return [alike for alike in found if alike]


def thicker(body: Body, by_mm: float) -> Body:
    """The body with its defining solids thicker across the plane: what shows none of them stays that far off."""
    solids = (dataclasses.replace(s, c=s.c + by_mm) if s.name in body.defining else s for s in body.solids)
    return dataclasses.replace(body, solids=tuple(solids))


def nothing_shown(bodies: Iterable[Body], pose: Pose) -> bool:
    """Whether the cut shows none of the planes: background."""
    return all(body.shown(pose)[1] <= body.gone for body in bodies)


def bone_attenuation(loss_db: float, thickness_mm: float) -> float:
    """Attenuation of bone that takes `loss_db` on both ways through `thickness_mm`, dB/cm/MHz.

    At the default probe's frequency. Both ways through a plate of adult bone cost about 17 dB (reflection at two
    faces 9.7 dB, absorption of 5 dB/cm/MHz in 2 mm 7 dB); fetal bone is less ossified.
    """
    return loss_db / (2 * Probe().frequency_mhz * thickness_mm / 10)
