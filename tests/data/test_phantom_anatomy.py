"""The phantom's anatomy against growth charts and geometry, measured on what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from data.phantom.abdomen import abdomen
from data.phantom.acoustics import Receiver, Tissue
from data.phantom.biometry import draw_fetus, growth_chart
from data.phantom.difficulty import get_difficulty
from data.phantom.head import head
from data.phantom.probe import PolarGrid, Probe
from data.phantom.section import Pose, Section
from data.phantom.shapes import Ellipsoid, Rod
from data.phantom.thigh import thigh


def test_a_femur_casts_a_shadow():
    grid = PolarGrid(Probe(), 120, 500, 200)
    fetus = draw_fetus(np.random.default_rng(3))
    body = thigh(fetus, np.random.default_rng(3), get_difficulty("default"))
    bone = next(s for s in body.solids if s.name == "femur")
    tissue = Tissue.filled(grid, 0, 0.5)
    bone.draw(Section(grid, tissue, Pose(0, 50, 0)))
    lost = Receiver(grid).loss_db(tissue.attenuation) - Receiver(grid).loss_db(Tissue.filled(grid, 0, 0.5).attenuation)
    deep = np.argmin(np.abs(grid.depth - 80))
    assert 8 <= lost[deep, grid.shape[1] // 2] <= 30
    assert lost[deep, 3] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("angle", [0.0, 1.0])
def test_a_drawn_section_has_its_area_in_mm(angle):
    grid = PolarGrid(Probe(), 150, 900, 500)
    tissue = Tissue.filled(grid)
    Ellipsoid(3, -2, 0, 30, 22, 40, angle=0.4, echo_db=10).draw(Section(grid, tissue, Pose(4, 70, angle)))
    cell = (grid.depth[:, None] + grid.probe.radius_mm) * grid.spacing * grid.step
    assert np.sum((tissue.echo - 1) / (10**0.5 - 1) * cell) == pytest.approx(np.pi * 30 * 22, rel=0.01)


def test_a_tilted_plane_foreshortens_a_bone():
    bone = Rod(0, 0, 0, length=40, width=3, c=3)
    assert bone.visible(Pose(0, 0, 0)) == 1
    assert bone.visible(Pose(0, 0, 0, elevation=3.1)) == 0
    low, high = bone.span(Pose(0, 0, 0, tilt_u=0.3))
    assert (low, high) == pytest.approx((-10, 10))  # |0.3·s| < 3 mm


def test_an_ellipsoid_vanishes_beyond_its_thickness():
    solid = Ellipsoid(0, 0, 5, 10, 8, c=4)
    assert solid.visible(Pose(0, 0, 0, elevation=5)) == 1
    assert solid.visible(Pose(0, 0, 0, elevation=7)) == pytest.approx(np.sqrt(0.75))
    assert solid.visible(Pose(0, 0, 0, elevation=9.1)) == 0


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        (
            16,
            {
                "hc": (122.9, 6.3),
                "bpd": (35.6, 1.9),
                "ofd": (42.8, 2.2),
                "ac": (103.2, 5.4),
                "fl": (19.5, 1.6),
            },
        ),
        (
            20,
            {
                "hc": (172.5, 7.4),
                "bpd": (48.4, 2.3),
                "ofd": (60.7, 2.8),
                "ac": (147.7, 7.6),
                "fl": (31.3, 1.8),
            },
        ),
        (
            36,
            {
                "hc": (319.4, 10.8),
                "bpd": (91.2, 3.5),
                "ofd": (111.6, 4.9),
                "ac": (312.8, 17.0),
                "fl": (66.4, 2.7),
            },
        ),
    ],
)
def test_growth_charts_give_the_published_values(weeks, expected):
    for measure, values in expected.items():
        assert growth_chart(measure, weeks) == pytest.approx(values, abs=0.051)


@pytest.mark.parametrize("weeks", [16, 20, 24, 28, 32, 36])
def test_the_skull_ellipse_has_the_charts_circumference(weeks):
    a, b = growth_chart("ofd", weeks)[0] / 2, growth_chart("bpd", weeks)[0] / 2
    around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    assert around == pytest.approx(growth_chart("hc", weeks)[0], abs=0.8)


def test_growth_charts_refuse_what_they_do_not_cover():
    with pytest.raises(ValueError, match="outside the charts"):
        growth_chart("hc", 41)
    with pytest.raises(ValueError, match="none of"):
        growth_chart("waist", 20)


@pytest.mark.parametrize("build", [head, abdomen, thigh])
@pytest.mark.parametrize("level", ["easy", "default", "hard"])
def test_a_body_shows_its_plane_in_the_middle_and_not_beyond_its_reach(build, level):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        body = build(draw_fetus(rng), rng, get_difficulty(level))
        assert body.shown(Pose(0, 0, 0))[0] >= body.held
        for elevation in (-body.reach[0], body.reach[1]):
            assert body.shown(Pose(0, 0, 0, elevation=elevation))[1] <= body.gone
