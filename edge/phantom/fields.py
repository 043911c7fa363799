"""Gaussian random fields in space, cut by a scan plane."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plane:
    """A vertical cut through the patient, sampled on a regular grid.

    A point of the plane at lateral position `u` lies at `x = u cos(angle) - offset sin(angle)`,
    `y = u sin(angle) + offset cos(angle)`; z is the depth below the probe. All in millimetres.
    """

    angle: float
    offset: float
    u: Map
    z: Map

    @property
    def x(self) -> Map:
        """Position across the gland, (len(u),) float32, mm."""
        return np.float32(np.cos(self.angle)) * self.u - np.float32(self.offset * np.sin(self.angle))

    @property
    def y(self) -> Map:
        """Position along the gland, (len(u),) float32, mm."""
        return np.float32(np.sin(self.angle)) * self.u + np.float32(self.offset * np.cos(self.angle))


@dataclass(frozen=True, slots=True)
class RandomField:
    """A stationary Gaussian field of zero mean and unit variance: a sum of plane waves.

    The covariance is `exp(-|d / length|^2 / 2)`, by random Fourier features (Rahimi and Recht, 2007).
    On a grid the waves separate, so a cut through the field is one matrix product.
    """

    waves: Map
    phases: Map

    def on(self, plane: Plane) -> Map:
        """Values on the plane, (len(z), len(u)) float32."""
        along = self._phase_along(plane)
        down = np.outer(plane.z, self.waves[:, 2])
        left = np.concatenate([np.cos(down), -np.sin(down)], axis=1)
        right = np.concatenate([np.cos(along), np.sin(along)], axis=0)
        return np.asarray(left @ right, np.float32) * np.float32(np.sqrt(2 / len(self.phases)))

    def along(self, plane: Plane) -> Map:
        """Values at depth zero, (len(u),) float32: the undulation of a surface."""
        total = np.cos(self._phase_along(plane)).sum(axis=0)
        return np.asarray(total, np.float32) * np.float32(np.sqrt(2 / len(self.phases)))

    def _phase_along(self, plane: Plane) -> Map:
        across, along = np.outer(self.waves[:, 0], plane.x), np.outer(self.waves[:, 1], plane.y)
        return np.asarray(across + along + self.phases[:, None], np.float32)


def draw_field(rng: np.random.Generator, length: tuple[float, float, float], modes: int = 96) -> RandomField:
    """Draw a field whose correlation lengths across, along and in depth are `length` mm."""
    waves = rng.standard_normal((modes, 3)) / np.asarray(length)
    return RandomField(waves.astype(np.float32), rng.uniform(0, 2 * np.pi, modes).astype(np.float32))


def ridges(field: Map, width: float) -> Map:
    """Thin sheets where the field crosses zero: 1 on the sheet, falling to 0 within `width` deviations."""
    return np.asarray(np.exp(-np.square(field / np.float32(width))), np.float32)


def step(distance: Map, softness: float) -> Map:
    """Soft step: 0 well below zero, 1 well above, over about `softness` units."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance * np.float32(-4 / softness), -60, 60))), np.float32)
