"""The phantom against theory, growth charts and geometry."""

from __future__ import annotations

import numpy as np
import pytest

from data.phantom.acoustics import Receiver, Tissue, random_scatterers, to_decibels
from data.phantom.biometry import draw_fetus, growth_chart
from data.phantom.bodies import abdomen, head, thigh
from data.phantom.difficulty import get_difficulty
from data.phantom.probe import PolarGrid, Probe, ScanConverter, View
from data.phantom.shapes import Ellipsoid, Pose, Rod, Section


def uniform(grid: PolarGrid, attenuation: float = 0.0) -> Tissue:
    return Tissue(
        np.zeros(grid.shape, np.float32),
        np.full(grid.shape, attenuation, np.float32),
        np.zeros(grid.shape, np.float32),
    )


def echo(grid: PolarGrid, tissue: Tissue, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return Receiver(grid, noise_db=-200).envelope(tissue, random_scatterers(rng, grid.shape), rng)


def test_fully_developed_speckle_has_the_statistics_of_theory():
    grid = PolarGrid(Probe(), 150, 900, 300)
    envelope = echo(grid, uniform(grid))
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.03)
    assert to_decibels(envelope).std() == pytest.approx(5.57, abs=0.1)
    assert np.mean(envelope**2) == pytest.approx(1, abs=0.03)  # the filters keep the power


@pytest.mark.parametrize("attenuation", [0.3, 0.7])
def test_attenuation_is_linear_in_decibels_with_depth(attenuation):
    grid = PolarGrid(Probe(), 120, 600, 300)
    power = np.mean(echo(grid, uniform(grid, attenuation)).astype(float) ** 2, axis=1)
    inside = slice(20, -20)
    level = 10 * np.log10(power[inside])
    slope, start = np.polyfit(grid.depth[inside] / 10, level, 1)
    assert slope == pytest.approx(-2 * grid.probe.frequency_mhz * attenuation, rel=0.02)
    assert np.abs(level - (slope * grid.depth[inside] / 10 + start)).max() < 3


def test_a_point_is_as_wide_as_the_probe_says():
    probe = Probe()
    assert 2.355 * probe.axial_sigma_mm() == pytest.approx(0.24, abs=0.01)
    widths = 2.355 * probe.lateral_sigma_mm(np.array([20.0, 60.0, 100.0]))
    # mm at 20, 60 and 100 mm, measured on a prototype of this simulation with this C5-2v probe.
    assert widths == pytest.approx([1.5, 1.4, 2.5], rel=0.12)
    grid = PolarGrid(probe, 110, 2200, 400)
    tissue = uniform(grid)
    row, column = 1200, 200
    tissue.specular[row, column] = 1
    image = Receiver(grid, noise_db=-200).envelope(tissue, np.zeros(grid.shape, np.complex64), np.random.default_rng(0))
    along = full_width(image[:, column]) * grid.step
    across = full_width(image[row]) * grid.spacing * (grid.depth[row] + probe.radius_mm)
    assert along == pytest.approx(2.355 * probe.axial_sigma_mm(), rel=0.05)
    assert across == pytest.approx(2.355 * probe.lateral_sigma_mm(grid.depth[row : row + 1])[0], rel=0.05)


def full_width(profile: np.ndarray) -> float:
    """Width at half the peak, in samples, between linear crossings."""
    half = profile.max() / 2
    above = np.flatnonzero(profile >= half)
    low, high = above[0], above[-1]
    left = low - (profile[low] - half) / (profile[low] - profile[low - 1])
    right = high + (profile[high] - half) / (profile[high] - profile[high + 1])
    return right - left


def test_a_femur_casts_a_shadow():
    grid = PolarGrid(Probe(), 120, 500, 200)
    fetus = draw_fetus(np.random.default_rng(3))
    body = thigh(fetus, np.random.default_rng(3), get_difficulty("default"))
    bone = next(s for s in body.solids if s.name == "femur")
    tissue = uniform(grid, 0.5)
    bone.draw(Section(grid, tissue, Pose(0, 50, 0)))
    lost = Receiver(grid).loss_db(tissue.attenuation) - Receiver(grid).loss_db(uniform(grid, 0.5).attenuation)
    deep = np.argmin(np.abs(grid.depth - 80))
    assert 8 <= lost[deep, grid.shape[1] // 2] <= 30
    assert lost[deep, 3] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("angle", [0.0, 1.0])
def test_a_drawn_section_has_its_area_in_mm(angle):
    grid = PolarGrid(Probe(), 150, 900, 500)
    tissue = uniform(grid)
    Ellipsoid(3, -2, 0, 30, 22, 40, angle=0.4, echo_db=10).draw(Section(grid, tissue, Pose(4, 70, angle)))
    cell = (grid.depth[:, None] + grid.probe.radius_mm) * grid.spacing * grid.step
    assert np.sum(tissue.echo_db / 10 * cell) == pytest.approx(np.pi * 30 * 22, rel=0.01)


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


def test_scan_conversion_keeps_distances_in_mm():
    grid = PolarGrid(Probe(), 120, 1200, 500)
    view = View(-60, 5, 0.8, 130, 150)
    convert = ScanConverter(grid, view)
    places = [(-20.0, 40.0), (25.0, 40.0), (0.0, 95.0)]
    found = []
    for x, y in places:
        spot = np.exp(-0.5 * ((grid.x - x) ** 2 + (grid.y - y) ** 2) / 1.5**2)
        frame = convert(spot.astype(np.float32))
        rows, columns = np.indices(frame.shape)
        found.append((np.sum(columns * frame) / frame.sum(), np.sum(rows * frame) / frame.sum()))
    found = np.array(found)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        shown = np.hypot(*(found[i] - found[j])) * view.mm_per_px
        assert shown == pytest.approx(np.hypot(*np.subtract(places[i], places[j])), abs=0.1)
    expected = view.to_frame(*np.array(places).T)
    assert (found[:, 0] + 0.5) / view.width == pytest.approx(expected[0], abs=1e-3)
    assert (found[:, 1] + 0.5) / view.height == pytest.approx(expected[1], abs=1e-3)


def test_scan_conversion_of_a_constant_is_the_sector():
    grid = PolarGrid(Probe(), 120, 300, 150)
    convert = ScanConverter(grid, View(-60, -5, 1.1, 112, 110))
    np.testing.assert_allclose(convert(np.ones(grid.shape, np.float32)), convert.sector, atol=1e-5)
    assert convert.sector[0, 0] == 0 and convert.sector[56, 55] == 1


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
