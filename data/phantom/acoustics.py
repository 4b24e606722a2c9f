"""From tissue to echo: scatterers, attenuation, beam, noise, log compression.

The usual coherent model on a polar grid. A resolution cell holds many scatterers,
so the field is a circular complex Gaussian times the root of the echogenicity;
walls add a coherent (specular) part. Levels are in dB relative to soft tissue.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import fft

from data.phantom.probe import PolarGrid

_DB = np.float32(np.log(10) / 20)


@dataclasses.dataclass
class Tissue:
    """What the beams meet, on the polar grid; all float32 [n, m].

    Attributes:
        echo_db: echogenicity. attenuation: dB/cm/MHz, one way.
        specular: amplitude of coherent reflections, already weighted by incidence.
    """

    echo_db: np.ndarray
    attenuation: np.ndarray
    specular: np.ndarray

    def copy(self) -> Tissue:
        return Tissue(self.echo_db.copy(), self.attenuation.copy(), self.specular.copy())


class Receiver:
    """The probe's point-spread function and its electronic noise on one grid.

    The pulse is at least 0.6 samples wide: a grid made for a small frame can't carry the
    physical one, just as a small frame can't show it.

    Args:
        grid: the polar grid.
        speckle_size: factor on both widths, a trait of the scanner.
        noise_db: electronic noise, dB relative to soft tissue at the face.
    """

    def __init__(self, grid: PolarGrid, speckle_size: float = 1.0, noise_db: float = -50.0):
        self.grid = grid
        self._noise = np.float32(10 ** (noise_db / 20))
        sigma = max(grid.probe.axial_sigma_mm() * speckle_size / grid.step, 0.6)
        taps = np.arange(-np.ceil(2.5 * sigma), np.ceil(2.5 * sigma) + 1)
        kernel = np.exp(-0.5 * (taps / sigma) ** 2)
        self._axial = (kernel / np.sqrt(np.sum(kernel**2))).astype(np.float32)
        width = (grid.depth + grid.probe.radius_mm) * grid.spacing
        sigma = np.maximum(grid.probe.lateral_sigma_mm(grid.depth) * speckle_size / width, 0.35)
        transfer = np.exp(-0.5 * (2 * np.pi * np.fft.fftfreq(grid.shape[1])[None] * sigma[:, None]) ** 2)
        # Both filters keep the power of the speckle, whatever their width.
        self._lateral = (transfer / np.sqrt(np.mean(transfer**2, axis=1, keepdims=True))).astype(np.float32)

    def envelope(self, tissue: Tissue, scatterers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Detected envelope, float32 [n, m], before time-gain compensation.

        Args:
            tissue: what the beams meet.
            scatterers: complex64 [n, m], circular Gaussian of unit power.
            rng: for the electronic noise.
        """
        loss = self.loss_db(tissue.attenuation)
        field = scatterers * np.exp(_DB * (tissue.echo_db - loss))
        field.real += tissue.specular * np.exp(-_DB * loss)
        field = _filter_axial(field, self._axial)
        field = fft.ifft(fft.fft(field, axis=1) * self._lateral, axis=1)
        noise = rng.standard_normal((2, *field.shape), dtype=np.float32) * (self._noise * np.float32(0.5**0.5))
        field.real += noise[0]
        field.imag += noise[1]
        return np.abs(field)

    def loss_db(self, attenuation: np.ndarray) -> np.ndarray:
        """Two-way loss on the way to each sample, dB: 2·f·∫alpha dr."""
        step_cm = self.grid.step / 10
        path = np.cumsum(attenuation, axis=0) - attenuation
        return path * np.float32(2 * self.grid.probe.frequency_mhz * step_cm)


def random_scatterers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Circular complex Gaussian of unit power, complex64."""
    parts = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(0.5**0.5)
    return parts.view(np.complex64)[..., 0]


def to_decibels(envelope: np.ndarray) -> np.ndarray:
    """20·log10 of an envelope, float32; a zero becomes -200 dB."""
    return np.float32(20) * np.log10(np.maximum(envelope, np.float32(1e-10)))


def _filter_axial(field: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve along the beams with an odd, symmetric kernel; zero beyond the ends."""
    half = len(kernel) // 2
    out = field * kernel[half]
    for shift in range(1, half + 1):
        weight = kernel[half + shift]
        out[shift:] += weight * field[:-shift]
        out[:-shift] += weight * field[shift:]
    return out
