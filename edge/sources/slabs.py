"""Memory for pictures that is used again, so that a running source allocates nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

UNHELD = 3
"""References to memory that nobody holds: a list's, the loop variable's, and getrefcount's own argument."""


class Slabs:
    """Hands out memory of one size; what no array refers to any more is handed out again.

    An array made by slicing or reshaping refers to the slab itself, so a slab is free exactly when the last
    plane, and whatever was cut from it, is gone. One thread takes; any thread may let go.
    """

    def __init__(self) -> None:
        """None yet."""
        self._slabs: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        """Slabs ever needed at one time."""
        return len(self._slabs)

    def take(self, size: int) -> NDArray[np.uint8]:
        """A free slab of `size` bytes, its content whatever was there. Another size forgets the old slabs."""
        if self._slabs and self._slabs[0].size != size:
            self._slabs = []
        for slab in self._slabs:
            if sys.getrefcount(slab) == UNHELD:
                return slab
        slab = np.empty(size, np.uint8)
        self._slabs.append(slab)
        return slab

    def planes(self, shapes: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.uint8], ...]:
        """Arrays of these shapes in one slab, each in one piece, their content whatever was there."""
        ends = list(accumulate(map(prod, shapes)))
        slab = self.take(ends[-1])
        return tuple(
            slab[end - prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)
        )

    def copy(self, views: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], ...]:
        """A picture's planes, copied into one slab, whatever the strides of `views`."""
        planes = self.planes([view.shape for view in views])
        for plane, view in zip(planes, views, strict=True):
            np.copyto(plane, view)
        return planes
