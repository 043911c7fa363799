"""Finds images that are a crop, a mirror image or another resolution of each other, by their speckle.

Whole thumbnails do not show a crop, and grey levels alone do not either: every ultrasound picture is bright
above and dark below. So images that share words are sought, a similarity transform is fitted to their points,
and the one picture's fine structure must then lie on the other's. Only for that are pictures read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from export.glance import Glance, Image, Points, mirror, shrink, tissue
from export.pairs import Pair
from export.words import pairs_sharing_words

APART = 48  # of 256 bits that two descriptions of the same point may differ in
AGREEING = 6  # matches that one transform must explain
LEAST_OVERLAP = 0.25  # of the smaller picture
THRESHOLD = 0.25  # correlation of the fine structure after alignment; no unrelated pair of BUSI reaches it
KEPT = 512  # shrunk pictures in memory, 64 KiB each

Transform = NDArray[np.float64]


def find_crops(
    glances: Sequence[Glance], read: Callable[[int], Image], progress: Callable[[float], None]
) -> list[Pair]:
    """All pairs of which one shows a part of the other, mirrored or not, at up to twice its scale.

    Args:
        glances: of the images.
        read: an image by its index, uint8 (H, W) or (H, W, 3); asked for the few images that may be pairs.
        progress: called with the share that is done.
    """
    grey = lru_cache(KEPT)(lambda index: shrink(read(index)))
    pairs: dict[tuple[int, int], Pair] = {}
    for mirrored in (False, True):
        for pair in _search(glances, mirrored, grey, progress):
            key = pair.first, pair.second
            if key not in pairs or pair.correlation > pairs[key].correlation:
                pairs[key] = pair
    return [pairs[key] for key in sorted(pairs)]


def _search(
    glances: Sequence[Glance],
    mirrored: bool,
    grey: Callable[[int], Image],
    progress: Callable[[float], None],
) -> Iterator[Pair]:
    """One half of the search: for parts of the pictures as they are, or of their mirror images."""

    def step(done: float) -> None:
        progress((mirrored + done) / 2)

    straight = [glance.straight for glance in glances]
    others = [glance.mirrored for glance in glances] if mirrored else straight
    candidates = pairs_sharing_words(straight, others, lambda done: step(done / 2))
    for number, (first, second) in enumerate(candidates.tolist(), 1):
        step((1 + number / len(candidates)) / 2)
        transform = _transform(straight[first], others[second])
        if transform is None:
            continue
        laid = mirror(grey(second)) if mirrored else grey(second)
        value = _correlation(grey(first), laid, transform)
        if value > THRESHOLD:
            yield Pair(first, second, value, mirrored, "points")


def _transform(first: Points, second: Points) -> Transform | None:
    """What lays `second` onto `first`, (2, 3): shift and scale; None where too few points agree on one."""
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(first.descriptions, second.descriptions)
    good = [match for match in matches if match.distance <= APART]
    if len(good) < AGREEING:
        return None
    source = second.positions[[match.trainIdx for match in good]]
    target = first.positions[[match.queryIdx for match in good]]
    found, agreeing = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=3.0, maxIters=500)
    if not np.any(found) or int(np.sum(agreeing)) < AGREEING:
        return None
    transform = np.asarray(found, np.float64)
    upright = abs(np.arctan2(transform[1, 0], transform[0, 0])) <= 0.1
    return transform if upright and 0.45 < _scale(transform) < 2.2 else None


def _scale(transform: Transform) -> float:
    return float(np.hypot(transform[0, 0], transform[1, 0]))


def _correlation(first: Image, second: Image, transform: Transform) -> float:
    """Of the fine structure of `second`, laid onto `first`; 0 where they hardly overlap."""
    height, width = first.shape
    laid = np.asarray(cv2.warpAffine(second, transform, (width, height)), np.uint8)
    own, other = tissue(first), tissue(second)
    shown = cv2.warpAffine(other.astype(np.uint8), transform, (width, height))
    inside = own & (cv2.erode(shown, np.ones((9, 9), np.uint8)) > 0)
    smaller = min(own.sum(), other.sum() * _scale(transform) ** 2)
    if inside.sum() <= LEAST_OVERLAP * smaller:
        return 0.0
    pair = np.stack([_fine(first)[inside], _fine(laid)[inside]]).astype(np.float64)
    if not pair.std(axis=1).all():
        return 0.0  # nothing in the overlap that could agree
    return float(np.asarray(np.corrcoef(pair))[0, 1])


def _fine(grey: Image) -> NDArray[np.float32]:
    """Speckle and edges, each with the same weight wherever it is: band-passed, over the local deviation."""
    x = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    band = x - cv2.GaussianBlur(x, (0, 0), 6.0)
    return np.asarray(band / (np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 10.0)) + 3.0), np.float32)
