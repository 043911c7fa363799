"""Pairs of images that show the same picture, and the groups that they form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by index (first < second), that look the same.

    Attributes:
        correlation: how much, 0 to 1; of thumbnails or of aligned fine structure, as `found_by` says.
        mirrored: one is the other's mirror image.
        found_by: "thumbnail" or "points".
    """

    first: int
    second: int
    correlation: float
    mirrored: bool
    found_by: str


def group(number: int, pairs: Iterable[Pair]) -> NDArray[np.int64]:
    """Group number of each of `number` images: whatever a chain of pairs connects is one group."""
    edges = np.array([(pair.first, pair.second) for pair in pairs], np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(number, number))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels
