"""Finds images that are a crop, a mirror image or another resolution of each other, by their speckle.

Whole thumbnails do not show a crop, and grey levels alone do not either: every ultrasound picture is bright
above and dark below. So points are matched (ORB; Rublee et al. 2011), a similarity transform is fitted to the
matches, and the one picture's fine structure must then lie on the other's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from export.pairs import Pair

SIDE = 256  # pixels of the longer side: speckle is kept, cost is bounded
POINTS = 128  # of each image
NEIGHBOURS = 4  # that a point's description is compared with
BITS = 48  # of 256 that two descriptions of the same point may differ in
VOTES = 5  # matched points that make a pair worth looking at
AGREEING = 6  # matches that one transform must explain
LEAST_OVERLAP = 0.25  # of the smaller picture
THRESHOLD = 0.25  # correlation of the fine structure after alignment; no unrelated pair of BUSI reaches it

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Points:
    """Positions (K, 2) float32 in pixels, and descriptions (K, 32) uint8, of an image `grey`."""

    grey: Grey
    positions: NDArray[np.float32]
    descriptions: NDArray[np.uint8]


def find_crops(images: list[NDArray[np.uint8]], progress: Callable[[int], None]) -> list[Pair]:
    """All pairs of which one shows a part of the other, mirrored or not, at up to twice its scale.

    Args:
        images: uint8 (H, W) or (H, W, 3), any size.
        progress: called with the number of images done, up to twice their number.
    """
    detector = cv2.ORB.create(nfeatures=POINTS, edgeThreshold=16, fastThreshold=6)
    greys = [_shrink(image) for image in images]
    straight = [_points(detector, grey) for grey in greys]
    mirrored = [_points(detector, np.ascontiguousarray(grey[:, ::-1])) for grey in greys]
    pairs: dict[tuple[int, int], Pair] = {}
    for others, mirror in ((straight, False), (mirrored, True)):
        for first, second in _candidates(straight, others, progress, len(images) * mirror):
            value = _aligned_correlation(straight[first], others[second])
            if value > THRESHOLD and value > getattr(pairs.get((first, second)), "correlation", 0.0):
                pairs[first, second] = Pair(first, second, value, mirror, "points")
    return [pairs[key] for key in sorted(pairs)]


def _shrink(image: NDArray[np.uint8]) -> Grey:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _points(detector: cv2.ORB, grey: Grey) -> _Points:
    found, described = detector.detectAndCompute(grey, None)
    positions = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    descriptions = np.asarray(described, np.uint8) if found else np.empty((0, 32), np.uint8)
    return _Points(grey, positions, descriptions)


def _candidates(
    queries: list[_Points], targets: list[_Points], progress: Callable[[int], None], begun: int
) -> list[tuple[int, int]]:
    """Pairs (first < second) with at least `VOTES` points that have nearly the same description."""
    owner_of_query = np.repeat(np.arange(len(queries)), [len(q.descriptions) for q in queries])
    owner_of_target = np.repeat(np.arange(len(targets)), [len(t.descriptions) for t in targets])
    if len(owner_of_query) == 0 or len(owner_of_target) == 0:
        return []
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    votes: Counter[tuple[int, int]] = Counter()
    everything = np.concatenate([t.descriptions for t in targets])
    for query, points in enumerate(queries):
        progress(begun + query + 1)
        if len(points.descriptions) == 0:
            continue
        for matches in matcher.knnMatch(points.descriptions, everything, k=NEIGHBOURS + 1):
            near = {int(owner_of_target[m.trainIdx]) for m in matches if m.distance <= BITS}
            votes.update((min(query, other), max(query, other)) for other in near if other != query)
    return sorted(pair for pair, number in votes.items() if number >= VOTES)


def _aligned_correlation(first: _Points, second: _Points) -> float:
    """Correlation of the fine structure of `second`, laid onto `first`; 0 where nothing fits."""
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(first.descriptions, second.descriptions)
    good = [match for match in matches if match.distance <= BITS]
    if len(good) < AGREEING:
        return 0.0
    source = second.positions[[match.trainIdx for match in good]]
    target = first.positions[[match.queryIdx for match in good]]
    transform, agreeing = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=3.0, maxIters=500)
    if not np.any(transform) or int(np.sum(agreeing)) < AGREEING:
        return 0.0
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    if not 0.45 < scale < 2.2 or abs(np.arctan2(transform[1, 0], transform[0, 0])) > 0.1:
        return 0.0
    height, width = first.grey.shape
    laid = np.asarray(cv2.warpAffine(second.grey, transform, (width, height)), np.uint8)
    ones = np.ones(second.grey.shape, np.uint8)
    inside = cv2.erode(cv2.warpAffine(ones, transform, (width, height)), np.ones((9, 9), np.uint8)) > 0
    smaller = min(first.grey.size, second.grey.size * scale * scale)
    if inside.sum() < LEAST_OVERLAP * smaller:
        return 0.0
    pair = np.stack([_fine(first.grey)[inside], _fine(laid)[inside]]).astype(np.float64)
    return float(np.asarray(np.corrcoef(pair))[0, 1])


def _fine(grey: Grey) -> NDArray[np.float32]:
    """Speckle and edges, each with the same weight wherever it is: band-passed, over the local deviation."""
    x = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    band = x - cv2.GaussianBlur(x, (0, 0), 6.0)
    return np.asarray(band / (np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 10.0)) + 3.0), np.float32)
