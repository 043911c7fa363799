"""Images that show the same picture: where patients are not known, these are what a split must not part."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SIDE = (
    48  # pixels of the thumbnail: small enough to forgive compression and text, large enough to tell lesions
)
THRESHOLD = 0.93  # correlation; tried on BUSI, where the next lower pairs are different images of like tissue


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, by index (first < second), that look the same, the second perhaps `mirrored`."""

    first: int
    second: int
    correlation: float
    mirrored: bool


def find_pairs(images: list[NDArray[np.uint8]], threshold: float = THRESHOLD) -> list[Pair]:
    """All pairs whose grey thumbnails correlate above `threshold`, mirror images included.

    Args:
        images: uint8 (H, W) or (H, W, 3), any size.
        threshold: Pearson correlation of 48x48 thumbnails.
    """
    thumbnails = np.stack([_thumbnail(image) for image in images])
    straight = _unit(thumbnails) @ _unit(thumbnails).T
    mirror = _unit(thumbnails) @ _unit(thumbnails[:, :, ::-1]).T
    rows, columns = np.nonzero(np.triu(np.maximum(straight, mirror) > threshold, k=1))
    return [
        Pair(int(i), int(j), float(max(straight[i, j], mirror[i, j])), bool(mirror[i, j] > straight[i, j]))
        for i, j in zip(rows, columns, strict=True)
    ]


def group(number: int, pairs: list[Pair]) -> NDArray[np.int64]:
    """Group number of each of `number` images: whatever a chain of pairs connects is one group."""
    edges = np.array([(pair.first, pair.second) for pair in pairs], np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(number, number))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def _unit(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1)
    flat = flat - flat.mean(1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norms, 1e-6), np.float32)
