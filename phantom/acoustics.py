"""From tissue to echo: scatterers, attenuation, beam, noise, log compression.

The usual coherent model on a polar grid. A resolution cell holds many scatterers,
so the field is a circular complex Gaussian times the root of the echogenicity;
walls add a coherent (specular) part. Amplitudes are relative to soft tissue.

Known simplification: the scatterers' phases go with the tissue. Under a shift of the
tissue the speckle goes along unchanged, as it should; under a rotation it turns too,
where a real beam would also see it decorrelate.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, sparse

from phantom.probe import PolarGrid

_DB = np.float32(np.log(10) / 20)
# No wall is smooth: this much of its echo is the same everywhere, the rest follows the scatterers.
_SMOOTH, _ROUGH = np.float32(0.45), np.float32(0.6)
_FAINT = np.float32(1e-3)  # a wall's flank that nobody sees


class Tissue:
    """What the beams meet, on the polar grid.

    Attributes:
        maps: float32 [3, n, m], drawn into all at once:
        echo: amplitude of the diffuse echo, the root of the echogenicity; 1 = soft tissue.
        attenuation: dB/cm/MHz, one way.
        specular: amplitude of coherent reflections, already weighted by incidence.
    """

    def __init__(self, maps: np.ndarray) -> None:
        self.maps = maps
        self.echo, self.attenuation, self.specular = maps

    @classmethod
    def filled(cls, grid: PolarGrid, echo_db: float = 0.0, attenuation: float = 0.0) -> Tissue:
        """The same tissue everywhere."""
        values = np.array([from_decibels(echo_db), attenuation, 0], np.float32)
        return cls(np.broadcast_to(values[:, None, None], (3, *grid.shape)).copy())

    def copy(self) -> Tissue:
        return Tissue(self.maps.copy())


class Receiver:
    """The probe's point-spread function and its electronic noise on one grid.

    The pulse is at least 0.6 samples wide: a grid made for a small frame can't carry the
    physical one, just as a small frame can't show it.

    Args:
        grid: the polar grid; the field is formed where it is shown.
        speckle_size: factor on both widths, a trait of the scanner.
        noise_db: electronic noise, dB relative to soft tissue at the face.
        rng: for the noise.
    """

    def __init__(
        self,
        grid: PolarGrid,
        speckle_size: float = 1.0,
        noise_db: float = -50.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.grid = grid
        self._axial = _axial_filter(grid, speckle_size)
        self._lateral = _lateral_filter(grid, speckle_size)
        # Drawn once for a clip: each frame starts at another place of it, where nobody sees that it is the same.
        rng = rng if rng is not None else np.random.default_rng(0)
        rows, columns = grid.image_shape
        self._noise = random_scatterers(rng, ((rows + rows // 4) * columns,)) * np.float32(10 ** (noise_db / 20))

    def power(self, tissue: Tissue, scatterers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Squared envelope, float32 [k, m], before time-gain compensation.

        Args:
            tissue: what the beams meet, [n, m].
            scatterers: complex64 [k, m] for the k rows that are shown; circular, of unit power. Overwritten.
            rng: for the electronic noise of this frame.
        """
        shown = slice(self.grid.first_row, None)
        gain = np.exp(-_DB * self.loss_db(tissue.attenuation)[shown])
        echo, walls = tissue.echo[shown] * gain, tissue.specular[shown].ravel()
        bright = np.flatnonzero(walls > _FAINT)
        coherent = (
            walls[bright] * gain.ravel()[bright] * (_SMOOTH + _ROUGH * np.abs(np.take(scatterers.ravel(), bright)))
        )
        field = scatterers
        field.real *= echo
        field.imag *= echo
        field.reshape(-1)[bright] += coherent
        field = (self._axial @ field.view(np.float32)).view(np.complex64)
        spectrum = fft.fft(field, axis=1, overwrite_x=True)
        spectrum.view(np.float32)[:] *= self._lateral
        field = fft.ifft(spectrum, axis=1, overwrite_x=True)
        start = int(rng.integers(self._noise.size - field.size + 1))
        field += self._noise[start : start + field.size].reshape(field.shape)
        squares = np.square(field.view(np.float32))
        return squares[:, ::2] + squares[:, 1::2]

    def envelope(self, tissue: Tissue, scatterers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Detected envelope, float32 [k, m]; see `power`."""
        return np.sqrt(self.power(tissue, scatterers, rng))

    def loss_db(self, attenuation: np.ndarray) -> np.ndarray:
        """Two-way loss on the way to each sample, dB: 2·f·∫alpha dr, float32 [n, m]."""
        scaled = attenuation * np.float32(2 * self.grid.probe.frequency_mhz * self.grid.step / 10)
        loss = np.empty_like(scaled)
        loss[0] = 0
        for row in range(1, len(loss)):  # twice as fast as np.cumsum along the first axis
            np.add(loss[row - 1], scaled[row - 1], out=loss[row])
        return loss


def random_scatterers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Circular complex Gaussian of unit power, complex64: fully developed speckle."""
    parts = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(0.5**0.5)
    return parts.view(np.complex64)[..., 0]


def k_scatterers(rng: np.random.Generator, shape: tuple[int, int], mu: float, grain: int) -> np.ndarray:
    """Scatterers of uneven density, complex64 [n, m] of unit power: K-distributed speckle.

    A Gaussian field times the root of a gamma-distributed density of shape `mu` and mean 1
    (Jakeman & Pusey 1976). The envelope's mean over standard deviation is then that of a
    K distribution if the density is even within a resolution cell.

    Args:
        mu: shape; the smaller the rougher, infinite is fully developed speckle.
        grain: side of the squares of equal density, samples; at least a resolution cell.
    """
    scatterers = random_scatterers(rng, shape)
    coarse = [-(-size // grain) for size in shape]
    density = np.sqrt(rng.gamma(mu, 1 / mu, coarse)).astype(np.float32)
    scatterers *= density.repeat(grain, axis=0).repeat(grain, axis=1)[: shape[0], : shape[1]]
    return scatterers


def from_decibels(level_db: float) -> np.float32:
    """The amplitude of a level in dB."""
    return np.float32(10 ** (level_db / 20))


def power_to_decibels(power: np.ndarray) -> np.ndarray:
    """10·log10 of a squared envelope, float32; a zero becomes -200 dB."""
    level = np.log10(np.maximum(power, np.float32(1e-20)))
    level *= np.float32(10)
    return level


def _axial_filter(grid: PolarGrid, speckle_size: float) -> sparse.csr_matrix:
    """Convolution along the beams that keeps the power of the speckle; zero beyond the ends.

    As a banded matrix on real and imaginary parts alike it takes a sixth of the time of shifted sums.
    """
    sigma = max(grid.probe.axial_sigma_mm() * speckle_size / grid.step, 0.6)
    taps = np.arange(-int(np.ceil(2.5 * sigma)), int(np.ceil(2.5 * sigma)) + 1)
    kernel = np.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / np.sqrt(np.sum(kernel**2))).astype(np.float32)
    rows = grid.image_shape[0]
    return sparse.diags(kernel, taps, shape=(rows, rows), format="csr", dtype=np.float32)


def _lateral_filter(grid: PolarGrid, speckle_size: float) -> np.ndarray:
    """Transfer function across the beams at each depth, twice for real and imaginary part: float32 [k, 2m]."""
    depth = grid.depth[grid.first_row :]
    width = (depth + grid.probe.radius_mm) * grid.spacing
    sigma = np.maximum(grid.probe.lateral_sigma_mm(depth) * speckle_size / width, 0.35)
    transfer = np.exp(-0.5 * (2 * np.pi * np.fft.fftfreq(grid.shape[1])[None] * sigma[:, None]) ** 2)
    transfer /= np.sqrt(np.mean(transfer**2, axis=1, keepdims=True))
    return transfer.astype(np.float32).repeat(2, axis=1)
