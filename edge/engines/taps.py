"""Which source pixels make a target pixel, as tables for `prepare_tensor` in kernels.cu.

Resizing is separable: a row of the target is a weighted sum of source rows, a column of columns. Tables are
made once for a region, not for a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Taps:
    """For each of n target positions.

    Attributes:
        first: int32 (n,), first source position.
        weights: float32 (n, taps), of the positions from `first` on; each row sums to 1.
    """

    first: NDArray[np.int32]
    weights: NDArray[np.float32]


def area_taps(source: int, target: int) -> Taps:
    """The mean over each target position's area, borders by the part that lies inside."""
    edges = np.arange(target + 1) * (source / target)
    first = np.minimum(edges[:-1].astype(np.int32), source - 1)
    count = int((np.ceil(edges[1:] - 1e-9).astype(np.int32) - first).max())
    position = first[:, None] + np.arange(count)
    inside = np.minimum(position + 1, edges[1:, None]) - np.maximum(position, edges[:-1, None])
    return _normal(first, np.maximum(inside, 0.0))


def linear_taps(source: int, target: int) -> Taps:
    """Two neighbours by distance, pixel centres at halves, the border's pixel beyond the border."""
    position = (np.arange(target) + 0.5) * (source / target) - 0.5
    position = np.clip(position, 0, source - 1)
    first = np.minimum(position.astype(np.int32), max(source - 2, 0))
    part = position - first
    return _normal(first, np.stack([1 - part, part], axis=1))


def _normal(first: NDArray[np.int32], weights: NDArray[np.float64]) -> Taps:
    exact = weights / weights.sum(axis=1, keepdims=True)
    return Taps(first, np.ascontiguousarray(exact, np.float32))
