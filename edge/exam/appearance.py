"""What the marked lesion looks like, coarsely, and where in a picture that is found again, in which size.

A patch of the lesion and a rim around it is correlated with the picture at nine sizes, wider and higher or
less so: the cut of a lesion shrinks as the probe leaves it. The patch from the marking never changes, so that
the box cannot drift away from it; a second one follows slowly, because a cut does change its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Window = NDArray[np.uint8]

_SIDE = 24  # samples of a patch
_RIM = 1.25  # a patch's side over the box's
_SEARCH = 5  # samples that the box may be off on each side
_STEPS = (0.9, 1.0, 1.08)  # sides of the box from one picture to the next
_GROWN, _SHRUNK = (
    2.0,
    0.25,
)  # of the marked sides, at most and at least: a cut may be marked while it is small
_RENEWAL = 0.1  # share of the newest picture in the second patch
_ALIKE = 0.45  # correlation below which it is something else
_CONTRAST = 0.57  # of the marked contrast that is left, below which the lesion is not there any more


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its centre and sides, in pixels and parts of them."""

    x: float
    y: float
    width: float
    height: float


class Appearance:
    """Of one lesion, in pictures of any size: what counts is how they lie in its box."""

    def __init__(self, window: Window, box: Box):
        """The lesion in `box` of `window` as it was marked; the window is not kept."""
        self._marked = _patch(window, box)
        self._recent = self._marked.astype(np.float32)

    def find(self, window: Window, near: Box, marked: Box) -> tuple[Box, float]:
        """The box most alike around `near`, and its correlation with the mean of both patches, -1 to 1.

        Args:
            window: the new picture, smoothed.
            near: where it is thought to be.
            marked: its sides are those of the marked box in the pixels of `window`.
        """
        both = cv2.addWeighted(self._marked, 0.5, self._recent.astype(np.uint8), 0.5, 0.0)
        found, best = near, -1.0
        for across in _STEPS:
            for down in _STEPS:
                box = Box(near.x, near.y, near.width * across, near.height * down)
                if not _sized(box.width / marked.width) or not _sized(box.height / marked.height):
                    continue
                area = _patch(window, box, _SEARCH)
                _, alike, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(area, both, cv2.TM_CCOEFF_NORMED))
                if alike > best:
                    best, sample = alike, _RIM / _SIDE
                    right, low = (x - _SEARCH) * sample * box.width, (y - _SEARCH) * sample * box.height
                    found = Box(box.x + right, box.y + low, box.width, box.height)
        return found, best

    def holds(self, window: Window, box: Box, alike: float) -> bool:
        """True if the lesion is in `box`, whose correlation is `alike`; the second patch then follows it.

        The contrast that is left is the slope of the patch over the marked one.
        """
        patch, marked = _patch(window, box).astype(np.float32), self._marked.astype(np.float32)
        marked -= marked.mean()
        contrast = float((patch * marked).sum()) / max(1.0, float((marked * marked).sum()))
        if alike < _ALIKE or contrast < _CONTRAST:
            return False
        self._recent += _RENEWAL * (patch - self._recent)
        return True


def _sized(ratio: float) -> bool:
    return _SHRUNK <= ratio <= _GROWN


def _patch(window: Window, box: Box, beyond: int = 0) -> Window:
    """`box` with its rim in `_SIDE` samples a side, and so many `beyond` it; the border's pixels go on."""
    side = _SIDE + 2 * beyond
    across, down = box.width * _RIM / _SIDE, box.height * _RIM / _SIDE
    middle = (side - 1) / 2
    place = np.array([[across, 0, box.x - 0.5 - across * middle], [0, down, box.y - 0.5 - down * middle]])
    return np.asarray(
        cv2.warpAffine(
            window,
            place,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )
