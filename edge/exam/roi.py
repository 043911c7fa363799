"""Finds the ultrasound field: the part of a scanner's screen that shows tissue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.profiles import Profiles

FRAMES = 6
"""Pictures looked at before the field is decided on."""

_WIDTH = 320  # pixels; speckle is still there, letters have become thin
_MOVES = 4  # grey levels between the darkest and the brightest of the pictures
_TEXTURE = 2.5  # grey levels, local standard deviation of speckle after shrinking
_SAME_FIELD = 0.9  # overlap above which another find is the same field
_PART = 0.5  # of a find inside the known field, above which it is a part of that
_LEAST = 0.04  # of the screen; a smaller part is no field


class FieldFinder:
    """Looks at the first pictures, decides, and holds the field until it is told to look again."""

    def __init__(self, profiles: Profiles | None = None) -> None:
        """Nothing is known yet but the `profiles` of screens that were seen before."""
        self.field: Roi | None = None
        self._profiles = Profiles(None) if profiles is None else profiles
        self._settled = False  # nothing is looked for any more
        self._told = False  # the field is from a profile, and is not to be found better
        self.lit: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)  # small picture of what the screen shows
        self._size = (0, 0)
        self._seen: list[NDArray[np.uint8]] = []

    def look(self, frame: Frame, *, tissue: bool = True) -> Roi | None:
        """Take one picture into account; None until `FRAMES` have been seen or where no field is found.

        The field of a screen that was seen before is known from the first picture.

        Args:
            frame: the newest.
            tissue: the known field shows live tissue, as far as the gates can tell. Where it does not, a part
                of it is no field, however lit it is: air under the probe leaves a bright band.
        """
        size = (frame.width, frame.height)
        if size != self._size:
            self._size, self._seen, self._settled = size, [], False
            self.field = self._profiles.find(frame)
            self._told = self.field is not None
        if self._settled:
            return self.field
        self._seen.append(shrink(frame))
        if len(self._seen) == FRAMES:
            self.lit = np.max(self._seen, axis=0)
            found = find_field(np.stack(self._seen), frame.bounds)
            self._seen = []
            if self.field is None and found is not None:
                self.field = found
                self._profiles.keep(frame, found)
            elif found is not None and not self._told and _overlap(found, self.field) < _SAME_FIELD:
                if not tissue and _share_inside(found, self.field) > _PART:
                    return self.field
                self.field = found
            self._settled = self.field is not None
        return self.field

    def again(self) -> None:
        """Another scene: depth or layout may have changed. The old field holds until another is found."""
        self._seen, self._settled, self._told = [], False, False

    def keep(self, frame: Frame, field: Roi) -> None:
        """The operator has drawn the field of this screen: it is known from now on."""
        self._profiles.keep(frame, field)


def _overlap(one: Roi, other: Roi | None) -> float:
    """Intersection over union."""
    both = _shared(one, other)
    return 0.0 if other is None else both / (one.width * one.height + other.width * other.height - both)


def _share_inside(one: Roi, other: Roi | None) -> float:
    """Of the area of `one`, what lies in `other`."""
    return _shared(one, other) / (one.width * one.height)


def _shared(one: Roi, other: Roi | None) -> int:
    """The intersection's area."""
    if other is None:
        return 0
    wide = max(0, min(one.right, other.right) - max(one.x, other.x))
    return wide * max(0, min(one.bottom, other.bottom) - max(one.y, other.y))


def shrink(frame: Frame) -> NDArray[np.uint8]:
    """The luma, full range as it comes, uint8 about 320 pixels wide."""
    height = max(1, round(frame.height * _WIDTH / frame.width))
    small = cv2.resize(frame.luma(frame.bounds), (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def find_field(pictures: NDArray[np.uint8], bounds: Roi) -> Roi | None:
    """The bounding rectangle of the largest connected part that looks like tissue.

    Tissue moves, or at least has texture everywhere; a scanner's text and bars stand still, are thin, or
    are flat.

    Args:
        pictures: uint8 (N, h, w), shrunk.
        bounds: of the full picture, in whose pixels the answer is.
    """
    moves = pictures.max(0).astype(np.int16) - pictures.min(0) > _MOVES
    moving = _largest(_solid(moves.astype(np.uint8)))
    anything = _largest(_solid((moves | _textured(pictures[-1])).astype(np.uint8)))
    # A still probe's picture moves in parts only; then its texture has to tell.
    mask = moving if 2 * moving.sum() >= anything.sum() else anything
    if mask.mean() < _LEAST:
        return None
    x, y, width, height = cv2.boundingRect(mask)
    scale_x, scale_y = bounds.width / mask.shape[1], bounds.height / mask.shape[0]
    left, top = int(x * scale_x), int(y * scale_y)
    right, bottom = round((x + width) * scale_x), round((y + height) * scale_y)
    return Roi(left, top, min(right, bounds.right) - left, min(bottom, bounds.bottom) - top)


def _textured(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where neighbours differ as speckle does."""
    grey = picture.astype(np.float32)
    mean = cv2.blur(grey, (5, 5))
    variance = cv2.blur(grey * grey, (5, 5)) - mean * mean
    textured = (variance > _TEXTURE**2).astype(np.uint8)
    # Before any gap is closed: a line of text or a bar is thinner than this, tissue is not.
    return cv2.morphologyEx(textured, cv2.MORPH_OPEN, np.ones((15, 15), np.uint8)) > 0


def _largest(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest connected part alone."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.uint8)


def _solid(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Close the holes that dark tissue leaves, then drop what is too thin to be tissue."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((13, 13), np.uint8))
    return np.asarray(opened, np.uint8)
