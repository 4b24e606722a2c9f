"""Fetal size by gestational age, from the INTERGROWTH-21st charts.

Papageorghiou et al., "International standards for fetal growth based on serial
ultrasound measurements", Lancet 384 (2014); lateral ventricle: Napolitano et
al., Ultrasound Obstet Gynecol 56 (2020). Valid from 14 to 40 weeks.
"""

from __future__ import annotations

import dataclasses
from math import exp, log, pi, sqrt

import numpy as np

MEASURES = ("hc", "bpd", "ofd", "ac", "fl")
# The sonographer's gaze differs between these two examinations (FETUS.trimester).
AGE_RANGES_WEEKS = {2: (18.0, 22.0), 3: (34.0, 38.0)}


def growth_chart(measure: str, weeks: float) -> tuple[float, float]:
    """Mean and standard deviation of a measure at a gestational age, mm.

    Args:
        measure: "hc" or "ac" (head, abdominal circumference), "bpd" or "ofd"
            (biparietal, occipitofrontal diameter, outer to outer), "fl" (femur length).
        weeks: gestational age, 14 to 40.

    Raises:
        ValueError: an unknown measure, or an age outside the charts.
    """
    if not 14 <= weeks <= 40:
        raise ValueError(f"{weeks} weeks is outside the charts (14 to 40)")
    w, ln = weeks, log(weeks)
    if measure == "hc":
        mean = -28.2849 + 1.69267 * w**2 - 0.397485 * w**2 * ln
        sd = 1.98735 + 0.0136772 * w**3 - 0.00726264 * w**3 * ln + 0.000976253 * w**3 * ln**2
    elif measure == "bpd":
        mean = 5.60878 + 0.158369 * w**2 - 0.00256379 * w**3
        sd = exp(0.101242 + 0.00150557 * w**3 - 0.000771535 * w**3 * ln + 0.0000999638 * w**3 * ln**2)
    elif measure == "ofd":
        mean = -12.4097 + 0.626342 * w**2 - 0.148075 * w**2 * ln
        sd = exp(-0.880034 + 0.0631165 * w**2 - 0.0317136 * w**2 * ln + 0.00408302 * w**2 * ln**2)
    elif measure == "ac":
        mean = -81.3243 + 11.6772 * w - 0.000561865 * w**3
        sd = -4.36302 + 0.121445 * w**2 - 0.0130256 * w**3 + 0.00282143 * w**3 * ln
    elif measure == "fl":
        mean = -39.9616 + 4.32298 * w - 0.0380156 * w**2
        sd = exp(0.605843 - 42.0014 / w**2 + 0.00000917972 * w**3)
    else:
        raise ValueError(f"measure {measure!r} is none of {', '.join(MEASURES)}")
    return mean, sd


@dataclasses.dataclass(frozen=True)
class Fetus:
    """One fetus: its age and sizes in mm, outer to outer.

    The head's ellipse of axes `bpd` and `ofd` has the circumference `hc`.
    """

    weeks: float
    trimester: int  # 2 or 3
    hc: float
    bpd: float
    ofd: float
    ac: float
    fl: float
    ventricle: float  # width of the lateral ventricle's posterior horn


def draw_fetus(rng: np.random.Generator) -> Fetus:
    """A fetus of 18-22 or 34-38 weeks; one shared percentile plus independent spread.

    Three quarters of a measure's variance is shared by all of them but the lateral ventricle, which is drawn by
    itself with half the chart's standard deviation: a large fetus is large in every measure, but not in the same
    degree. The head's circumference is drawn from its own chart, and both diameters are scaled to it (by a percent
    or two), so that all three agree.
    """
    trimester = int(rng.choice((2, 3), p=(0.6, 0.4)))
    weeks = float(rng.uniform(*AGE_RANGES_WEEKS[trimester]))
    shared = float(np.clip(rng.normal(), -2, 2))

    def size(measure: str) -> float:
        mean, sd = growth_chart(measure, weeks)
        return mean + sd * (0.75**0.5 * shared + 0.5 * float(np.clip(rng.normal(), -2, 2)))

    hc, bpd, ofd = size("hc"), size("bpd"), size("ofd")
    fit = hc / ellipse_circumference(bpd, ofd)
    ventricle = 4.389214 + 38.10015 / weeks + 2.0063e-6 * weeks**3
    ventricle += (0.6707 + 0.034258 * weeks) * 0.5 * float(np.clip(rng.normal(), -2, 2))
    return Fetus(weeks, trimester, hc, fit * bpd, fit * ofd, size("ac"), size("fl"), ventricle)


def ellipse_circumference(first: float, second: float) -> float:
    """Circumference of an ellipse of two diameters (Ramanujan 1914)."""
    a, b = first / 2, second / 2
    h = ((a - b) / (a + b)) ** 2
    return pi * (a + b) * (1 + 3 * h / (10 + sqrt(4 - 3 * h)))
