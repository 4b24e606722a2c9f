"""The phantom's image formation against theory and the literature, on values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from phantom.acoustics import Receiver, Tissue, k_scatterers, power_to_decibels, random_scatterers
from phantom.film import draw_settings, time_gain_db
from phantom.probe import PolarGrid, Probe, View
from phantom.scan_converter import ScanConverter
from phantom.scatterers import Lattice
from phantom.section import Pose, Section
from phantom.shapes import Ellipsoid


def echo(grid: PolarGrid, tissue: Tissue, scatterers: np.ndarray | None = None) -> np.ndarray:
    rng = np.random.default_rng(0)
    scatterers = random_scatterers(rng, grid.shape) if scatterers is None else scatterers
    return Receiver(grid, noise_db=-200).envelope(tissue, scatterers, rng)


def test_fully_developed_speckle_has_the_statistics_of_theory():
    grid = PolarGrid(Probe(), 150, 900, 300)
    envelope = echo(grid, Tissue.filled(grid))
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.03)
    assert power_to_decibels(envelope**2).std() == pytest.approx(5.57, abs=0.1)
    assert np.mean(envelope**2) == pytest.approx(1, abs=0.03)  # the filters keep the power


@pytest.mark.parametrize(("mu", "published"), [(1.0, 1.27), (2.0, 1.505), (5.0, 1.72), (20.0, 1.86)])
def test_k_distributed_texture_has_the_snr_of_its_shape(mu, published):
    mean = np.exp(gammaln(mu + 0.5) - gammaln(mu)) / np.sqrt(mu) * np.sqrt(np.pi) / 2
    theory = mean / np.sqrt(1 - mean**2)
    assert theory == pytest.approx(published, abs=0.01)
    drawn = np.abs(k_scatterers(np.random.default_rng(1), (1500, 1500), mu, 3))
    assert drawn.mean() / drawn.std() == pytest.approx(theory, rel=0.01)
    assert np.mean(drawn**2) == pytest.approx(1, abs=0.02)
    # And so does the image, as long as the density is even within a resolution cell.
    grid = PolarGrid(Probe(), 150, 1500, 500)
    envelope = echo(grid, Tissue.filled(grid), k_scatterers(np.random.default_rng(2), grid.shape, mu, 32))
    assert envelope.mean() / envelope.std() == pytest.approx(theory, rel=0.04)


def test_the_phantoms_own_tissue_is_between_rough_and_fully_developed_speckle():
    grid = PolarGrid(Probe(), 120, 700, 300)
    section = Section(grid, Tissue.filled(grid), Pose(3, 60, 0.7, elevation=1.0))
    found = []
    for seed in range(6):
        scatterers = Lattice(grid, 60.0, 1.0, np.random.default_rng(seed)).at(section)
        assert np.mean(np.abs(scatterers) ** 2) == pytest.approx(1, abs=0.05)
        envelope = echo(grid, section.tissue, scatterers)
        found.append(envelope.mean() / envelope.std())
    assert min(found) > 1.58 and max(found) < 1.93  # K of shape 3 has 1.61, Rayleigh 1.91


@pytest.mark.parametrize(("attenuation", "frequency_mhz"), [(0.3, 3.57), (0.7, 3.57), (0.5, 2.5), (0.5, 5.0)])
def test_attenuation_is_linear_in_decibels_with_depth(attenuation, frequency_mhz):
    grid = PolarGrid(Probe(frequency_mhz=frequency_mhz), 120, 600, 300)
    level = power_to_decibels(np.mean(echo(grid, Tissue.filled(grid, 0, attenuation)) ** 2, axis=1, dtype=float))
    inside = slice(20, -20)
    slope, start = np.polyfit(grid.depth[inside] / 10, level[inside], 1)
    assert slope == pytest.approx(-2 * frequency_mhz * attenuation, rel=0.02)
    assert np.abs(level[inside] - (slope * grid.depth[inside] / 10 + start)).max() < 3


def test_the_pulse_follows_from_bandwidth_and_the_beam_from_aperture_and_focus():
    probe = Probe()
    # A Gaussian pulse of -6 dB bandwidth B·f has, for its two-way envelope, 2·ln 2·c/(pi·B·f) of full width.
    axial = 2 * np.log(2) * 1540 / (np.pi * 0.79 * 3.57e6) * 1e3
    assert 2.355 * probe.axial_sigma_mm() == pytest.approx(axial, rel=0.005) == pytest.approx(0.24, abs=0.01)
    widths = 2.355 * probe.lateral_sigma_mm(np.array([20.0, 60.0, 100.0]))
    # mm at 20, 60 and 100 mm, measured on another simulation with this C5-2v probe.
    assert widths == pytest.approx([1.5, 1.4, 2.5], rel=0.05)
    # In the focus of both: 1/w² = (D_t² + D_r²) / (1.207·wavelength·F)².
    focus = 1.207 * 1.54 / 3.57 * 60 / np.hypot(8, 20)
    assert widths[1] == pytest.approx(focus, rel=0.005)
    assert 2.355 * probe.axial_sigma_mm() / Probe(bandwidth=0.395).axial_sigma_mm() == pytest.approx(2.355 / 2)
    wide = Probe(receive_mm=40, transmit_mm=16, f_number=1.5)
    assert wide.lateral_sigma_mm(60.0) == pytest.approx(probe.lateral_sigma_mm(60.0) / 2)


@pytest.mark.parametrize("depth_mm", [20, 60, 100])
def test_a_point_is_as_wide_as_the_probe_says(depth_mm):
    probe = Probe()
    grid = PolarGrid(probe, 110, 2200, 400)
    tissue = Tissue.filled(grid)
    row, column = int(depth_mm / grid.step), 200
    tissue.specular[row, column] = 1
    image = echo(grid, tissue, np.zeros(grid.shape, np.complex64))
    along = full_width(image[:, column]) * grid.step
    across = full_width(image[row]) * grid.spacing * (grid.depth[row] + probe.radius_mm)
    assert along == pytest.approx(2.355 * probe.axial_sigma_mm(), rel=0.05)
    assert across == pytest.approx(2.355 * probe.lateral_sigma_mm(grid.depth[row]), rel=0.05)


def full_width(profile: np.ndarray) -> float:
    """Width at half the peak, in samples, between linear crossings."""
    half = profile.max() / 2
    above = np.flatnonzero(profile >= half)
    low, high = above[0], above[-1]
    left = low - (profile[low] - half) / (profile[low] - profile[low - 1])
    right = high + (profile[high] - half) / (profile[high] - profile[high + 1])
    return right - left


def test_noise_has_its_level_and_is_new_in_each_frame():
    grid = PolarGrid(Probe(), 120, 400, 150)
    receiver, rng = Receiver(grid, noise_db=-40), np.random.default_rng(0)
    silent = Tissue.filled(grid, -300)
    first, second = (receiver.power(silent, np.zeros(grid.shape, np.complex64), rng) for _ in range(2))
    assert 10 * np.log10(first.mean()) == pytest.approx(-40, abs=0.2)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03


def test_time_gain_undoes_soft_tissue_but_for_the_users_two_decibels():
    grid = PolarGrid(Probe(), 120, 400, 150)
    errors = []
    for seed in range(30):
        settings = draw_settings(np.random.default_rng(seed), View(-60, -5, 1.1, 112, 110), 120, 60, -50)
        gain = time_gain_db(grid, settings.gain_error_db)
        errors.append(gain - Receiver(grid).loss_db(Tissue.filled(grid, 0, 0.5).attenuation)[:, 0])
    assert 1.5 < np.abs(errors).max() <= 2 + 1e-2
    assert abs(np.mean(errors)) < 0.3


def test_lines_and_rows_out_of_view_change_nothing_in_it():
    probe, view = Probe(), View(-25, 40, 0.4, 100, 120)
    whole = PolarGrid(probe, 90, 600, 200)
    part = PolarGrid(probe, 90, 600, 200, view)
    assert part.image_shape[0] < 0.7 * whole.shape[0] and part.shape[1] < 0.85 * whole.shape[1]
    shift = round((part.angle[0] - whole.angle[0]) / whole.spacing)
    losses = []
    for grid in (whole, part):
        tissue = Tissue.filled(grid, 0, 0.5)
        Ellipsoid(0, 0, 0, 20, 14, 9, angle=0.5, echo_db=-12, attenuation=2.0, wall_db=6).draw(
            Section(grid, tissue, Pose(4, 45, 0.3))
        )
        losses.append((tissue, Receiver(grid).loss_db(tissue.attenuation)))
    columns = slice(10, part.shape[1] - 10)
    there = slice(10 + shift, part.shape[1] - 10 + shift)
    np.testing.assert_allclose(losses[1][1][:, columns], losses[0][1][:, there], atol=1e-2)
    np.testing.assert_allclose(losses[1][0].specular[:, columns], losses[0][0].specular[:, there], atol=1e-3)
    spots = []
    for grid in (whole, part):
        spot = np.exp(-0.5 * ((grid.x - 5) ** 2 + (grid.y - 60) ** 2) / 2**2).astype(np.float32)
        spots.append(ScanConverter(grid, view)(spot[grid.first_row :]))
    np.testing.assert_allclose(spots[1], spots[0], atol=2e-3)


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


def test_scan_conversion_of_a_constant_is_that_constant_in_the_sector():
    grid = PolarGrid(Probe(), 120, 300, 150)
    convert = ScanConverter(grid, View(-60, -5, 1.1, 112, 110))
    frame = convert(np.full(grid.shape, 3, np.float32))
    np.testing.assert_allclose(frame[convert.sector > 0], 3, atol=1e-5)
    assert not frame[convert.sector == 0].any()
    assert convert.sector[0, 0] == 0 and convert.sector[56, 55] == 1
    assert 0.01 < np.mean((convert.sector > 0) & (convert.sector < 1)) < 0.05  # its edge is smooth
