"""Memory for pictures that is used again, so that a running source allocates nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FREE = 3
"""References to a slab that nobody holds: the list's, the loop variable's, and getrefcount's own argument."""


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
            if sys.getrefcount(slab) == _FREE:
                return slab
        slab = np.empty(size, np.uint8)
        self._slabs.append(slab)
        return slab

    def copy(self, views: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], ...]:
        """A picture's planes, copied into one slab, each in one piece whatever the strides of `views`."""
        slab = self.take(sum(view.size for view in views))
        planes, begin = [], 0
        for view in views:
            plane = slab[begin : begin + view.size].reshape(view.shape)
            np.copyto(plane, view)
            planes.append(plane)
            begin += view.size
        return tuple(planes)
