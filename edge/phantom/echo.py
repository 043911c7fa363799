"""The echo signal: scatterers seen through a beam and a pulse, weakened along the ray, with noise.

Simulated at baseband. A complex Gaussian scatterer field (fully developed speckle, Wagner et al., 1983) is
scaled by the tissue, blurred laterally by a beam that widens away from its focus, weakened by what lies
before it against what the TGC makes up for, and blurred axially by the pulse.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.phantom.fields import Map
from edge.phantom.scanner import Scanner
from edge.phantom.tissue import PARENCHYMA_ATTENUATION, Tissue

Signal = NDArray[np.complex64]

SOUND = 1.54  # mm per microsecond
AXIAL_STEP = 0.08  # mm between samples of a line
SLICE = 1.0  # mm between independent scatterer sheets
FWHM = 2.355  # full width at half maximum of a Gaussian, in deviations


class Speckle:
    """The scatterers of one examination: the same place always gives the same echo."""

    def __init__(self, seed: list[int], scanner: Scanner) -> None:
        self._seed = seed
        self._shape = (len(ranges_of(scanner)), scanner.lines)
        self._sheet = lru_cache(maxsize=4 * scanner.looks)(self._draw)

    def at(self, offset: float, shift: int, look: int) -> Signal:
        """Scatterers at elevation `offset` mm, moved by `shift` lines: (samples, lines) complex64."""
        position = offset / SLICE
        below = int(np.floor(position))
        # Quarter-circle weights keep the power while one sheet gives way to the next.
        turn = (position - below) * np.pi / 2
        near, far = self._sheet(below, look), self._sheet(below + 1, look)
        return np.roll(near * np.float32(np.cos(turn)) + far * np.float32(np.sin(turn)), -shift, axis=1)

    def _draw(self, sheet: int, look: int) -> Signal:
        rng = np.random.default_rng([*self._seed, sheet + 1000, look])
        return gaussian(rng, self._shape)


def gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Signal:
    """Circular complex Gaussian samples of unit power, complex64."""
    pairs = rng.standard_normal((shape[0], 2 * shape[1]), dtype=np.float32)
    pairs *= np.float32(np.sqrt(0.5))
    return pairs.view(np.complex64)


def ranges_of(scanner: Scanner) -> Map:
    """Depths of a line's samples, mm, float32."""
    return np.arange(0, scanner.depth + AXIAL_STEP, AXIAL_STEP, dtype=np.float32)


def echoes(tissue: Tissue, scanner: Scanner, scatterers: Signal, noise: np.random.Generator) -> Signal:
    """Beamformed signal after TGC, (samples, lines) complex64; parenchyma without loss has unit power.

    Args:
        tissue: maps along the beams, (samples, lines).
        scanner: frequency, focus, aperture, noise.
        scatterers: complex Gaussian, same shape, unit power.
        noise: source of the electronic noise.
    """
    amplitude = _decibels(tissue.echo) * scatterers
    # A sheet's echo is partly coherent: its roughness scatters at random phase.
    amplitude += tissue.specular * (np.float32(0.45) + np.float32(0.8) * scatterers)
    received = np.fft.ifft(np.fft.fft(amplitude, axis=1) * _beam(scanner), axis=1)
    received *= _decibels(-_excess_loss(tissue.attenuation, scanner))
    received += gaussian(noise, scatterers.shape) * _noise_gain(scanner)
    return _pulse(received.astype(np.complex64), scanner)


def axial_sigma(scanner: Scanner) -> float:
    """Deviation of the pulse's envelope, mm: a full width of 1.2 wavelengths."""
    return 1.2 * SOUND / scanner.frequency / FWHM


def lateral_sigma(scanner: Scanner, ranges: Map) -> Map:
    """Deviation of the two-way beam, mm: a width of 1.2 wavelengths times the f-number at the focus."""
    waist = 1.2 * SOUND / scanner.frequency * scanner.f_number / FWHM
    spread = (ranges - np.float32(scanner.focus)) * np.float32(0.028 / scanner.f_number)
    return np.asarray(np.hypot(np.float32(waist), spread), np.float32)


@lru_cache(maxsize=8)
def _beam(scanner: Scanner) -> Map:
    """Lateral transfer function at each range, (samples, lines) float32, unit power for white scatterers."""
    ranges = ranges_of(scanner)
    if scanner.geometry == "linear":
        spacing = np.full_like(ranges, scanner.width / scanner.lines)
    else:
        spacing = (ranges + np.float32(scanner.radius)) * np.float32(2 * scanner.half_angle / scanner.lines)
    sigma = (lateral_sigma(scanner, ranges) / spacing)[:, None]
    frequency = 2 * np.pi * np.fft.fftfreq(scanner.lines).astype(np.float32)[None, :]
    main = np.exp(-0.5 * np.square(sigma * frequency))
    # Side lobes and clutter: a faint wide skirt that fills cysts near bright tissue.
    transfer = main + 0.03 * np.exp(-0.5 * np.square(5 * sigma * frequency))
    return np.asarray(transfer / np.sqrt(np.square(transfer).mean(axis=1, keepdims=True)), np.float32)


def _excess_loss(attenuation: Map, scanner: Scanner) -> Map:
    """Two-way loss in dB beyond what the TGC makes up for, over the few lines that the aperture spans."""
    excess = cv2.blur(attenuation, (7, 1)) - np.float32(PARENCHYMA_ATTENUATION)
    loss = np.cumsum(excess, axis=0) * np.float32(2 * scanner.frequency * AXIAL_STEP / 10)
    loss += ranges_of(scanner)[:, None] * np.float32(scanner.tgc_error / 10)
    return np.clip(loss, -30, 90)


@lru_cache(maxsize=8)
def _noise_gain(scanner: Scanner) -> Map:
    """Amplitude of the electronic noise after TGC, (samples, 1)."""
    gain = ranges_of(scanner)[:, None] * np.float32(2 * PARENCHYMA_ATTENUATION * scanner.frequency / 10)
    return _decibels(gain + np.float32(scanner.noise))


def _decibels(level: Map) -> Map:
    return np.asarray(np.power(np.float32(10), level / np.float32(20)), np.float32)


def _pulse(signal: Signal, scanner: Scanner) -> Signal:
    sigma = axial_sigma(scanner) / AXIAL_STEP
    reach = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma)).astype(np.float32)
    taps /= np.sqrt(np.square(taps).sum())
    parts = signal.view(np.float32)
    return np.asarray(cv2.sepFilter2D(parts, -1, np.ones(1, np.float32), taps), np.float32).view(np.complex64)
