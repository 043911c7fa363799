"""What is kept of an image to find its near-duplicates: a thumbnail, and the speckle around some points.

Some 12 KiB an image, so that a study of many thousands need not lie in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 48  # pixels: small enough to forgive compression and text, large enough to tell lesions
SIDE = 256  # pixels of the longer side in which points are looked for: speckle is kept, cost is bounded
POINTS = 128  # of each image
LEAST = 32  # pixels of the shorter side, for there to be points
BLACK = 8  # grey level; what is no brighter and joins the border is no picture, as beside a sector
MARGIN = 9  # pixels within a sector's outline whose fine structure is the outline's

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Points:
    """Positions (K, 2) float32 in pixels, and descriptions (K, 32) uint8, of a grey picture of `shape`."""

    shape: tuple[int, int]
    positions: NDArray[np.float32]
    descriptions: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Glance:
    """A thumbnail uint8 (48, 48), and the points of the picture as it is and of its mirror image."""

    thumbnail: Image
    straight: Points
    mirrored: Points


def glance(image: Image) -> Glance:
    """Look at an image uint8 (H, W) grey or (H, W, 3) RGB, any size."""
    grey = shrink(image)
    return Glance(thumbnail(image), _points(grey), _points(mirror(grey)))


def thumbnail(image: Image) -> Image:
    """The whole of an image uint8 (H, W) or (H, W, 3) in 48x48 grey pixels."""
    return np.asarray(
        cv2.resize(_grey(image), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.uint8
    )


def shrink(image: Image) -> Image:
    """An image uint8 (H, W) or (H, W, 3) in grey, its longer side 256 pixels."""
    grey = _grey(image)
    scale = SIDE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def mirror(grey: Image) -> Image:
    """Left and right exchanged."""
    return np.ascontiguousarray(grey[:, ::-1])


def tissue(grey: Image) -> NDArray[np.bool_]:
    """Where a grey picture (H, W) shows tissue, bool (H, W): without the black that joins its border.

    A sector's outline and its rim are every patient's: only what is within them tells pictures apart.
    """
    black = (cv2.medianBlur(grey, 5) <= BLACK).astype(np.uint8)
    _, labels = cv2.connectedComponents(black, connectivity=4)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.isin(labels, rim[rim > 0]).astype(np.uint8)
    return np.asarray(cv2.dilate(outside, np.ones((2 * MARGIN + 1,) * 2, np.uint8)) == 0)


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _points(grey: Image) -> Points:
    """ORB (Rublee et al. 2011): corners at several scales, each with 256 comparisons around it."""
    shape = grey.shape[0], grey.shape[1]
    if min(shape) < LEAST:
        return Points(shape, np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8))
    detector = cv2.ORB.create(nfeatures=POINTS, edgeThreshold=16, fastThreshold=6)
    found, described = detector.detectAndCompute(grey, tissue(grey).astype(np.uint8))
    return Points(
        shape,
        np.array([point.pt for point in found], np.float32).reshape(-1, 2),
        np.asarray(described, np.uint8) if found else np.empty((0, 32), np.uint8),
    )
