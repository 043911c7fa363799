"""Burned-in text, calipers and colour: what a network may learn instead of the lesion.

Looks for what speckle cannot be: thin upright strokes of one height and brightness on one line, upright
crosses with thin arms, coloured pixels. docs/measurements/marks.md says how many were found among pictures
looked at by eye; faint crosses of a few pixels, oblique ones, single letters and dotted lines are missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

SIDE = 256  # pixels of the longer side that pictures are shrunk to; smaller ones stay as they are
FINE = 512  # likewise, for small letters in large pictures
ARM = 3  # pixels from the middle that a cross reaches at least
REACH = 6  # and at most
CROSS = 48  # grey levels that all of a cross stands above what is between its arms
BORDER = 8  # pixels, where scanners put marks of their own
THICK = 5  # pixels; wider than any stroke of a letter
STROKE = 5  # pixels that a stroke is high at least
TALL = 14  # and at most
CONTRAST = 35  # grey levels above what is left and right of a stroke
BRIGHT = 110  # grey levels of its pixels at least
NEXT = 14  # pixels to the next stroke of a text at most
COLOUR = 60  # difference between the largest and the smallest of red, green and blue
COLOURED = 10  # pixels

_QUARTER = np.zeros((7, 7), np.float32)
_QUARTER[:2, :2] = 0.25  # two and three pixels from the middle, along both arms
_QUARTERS = [np.ascontiguousarray(np.rot90(_QUARTER, turns)) for turns in range(4)]

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """Places of crosses and letters in the shrunk picture, and the number of coloured pixels."""

    crosses: tuple[Roi, ...]
    letters: tuple[Roi, ...]
    coloured: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of "calipers", "text" and "colour" those that were found."""
        found = {
            "calipers": bool(self.crosses),
            "text": bool(self.letters),
            "colour": self.coloured > COLOURED,
        }
        return tuple(kind for kind, there in found.items() if there)


def find_marks(image: NDArray[np.uint8]) -> Marks:
    """Marks in a picture uint8 (H, W) grey or (H, W, 3) RGB."""
    coloured = 0
    if image.ndim == 3:
        coloured = int((np.ptp(image.astype(np.int16), axis=2) > COLOUR).sum())
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    small = _shrink(image, SIDE)
    crosses = _crosses(small)
    letters = _letters(small, crosses)
    if not letters and max(image.shape) > SIDE:
        letters = tuple(_halved(box) for box in _letters(_shrink(image, FINE), tuple(map(_doubled, crosses))))
    return Marks(crosses, letters, coloured)


def _shrink(image: Grey, side: int) -> Grey:
    scale = side / max(image.shape)
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _crosses(image: Grey) -> tuple[Roi, ...]:
    """Places of upright crosses; oblique ones are left out, since the letter R has one."""
    standing = _arms(image)
    standing[:BORDER], standing[-BORDER:] = 0, 0
    standing[:, :BORDER], standing[:, -BORDER:] = 0, 0
    found = cv2.connectedComponentsWithStats((standing > CROSS).view(np.uint8), connectivity=8)[3][1:]
    return tuple(sorted({_box_around(x, y, image) for x, y in found}, key=_left_to_right))


def _arms(image: Grey) -> NDArray[np.float32]:
    """Grey levels by which a cross's darkest pixel stands above the brightest quarter between its arms."""
    quarters = [cv2.filter2D(image, cv2.CV_32F, kernel) for kernel in _QUARTERS]
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (2 * ARM - 1, 2 * ARM - 1))
    darkest = cv2.erode(image, cross).astype(np.float32)
    return np.asarray(darkest - np.maximum.reduce(quarters), np.float32)


def _box_around(x: float, y: float, image: Grey) -> Roi:
    left, top = max(0, round(x) - REACH), max(0, round(y) - REACH)
    side = 2 * REACH + 1
    return Roi(left, top, min(side, image.shape[1] - left), min(side, image.shape[0] - top))


def _letters(image: Grey, crosses: Sequence[Roi]) -> tuple[Roi, ...]:
    """Upright strokes that have another of their height and brightness beside them.

    Tissue lies in layers, so hardly anything in it is thin and upright; a caliper's arm is, and is left out.
    """
    strokes = [stroke for stroke in _strokes(image) if not any(_near(stroke[0], box) for box in crosses)]
    found: set[Roi] = set()
    for index, (first, level) in enumerate(strokes):
        for other, other_level in strokes[index + 1 :]:
            if other.x > first.x + NEXT:
                break
            ends = sorted((abs(first.y - other.y), abs(first.bottom - other.bottom)))
            if other.x >= first.x + 3 and ends[0] <= 1 and ends[1] <= 4 and abs(level - other_level) <= 25:
                found |= {first, other}
    return tuple(sorted(found, key=_left_to_right))


def _strokes(image: Grey) -> list[tuple[Roi, float]]:
    """Thin upright bars from left to right, each with its brightness."""
    padded = cv2.copyMakeBorder(image, 0, 0, THICK, THICK, cv2.BORDER_CONSTANT, value=0)
    thin = cv2.morphologyEx(padded, cv2.MORPH_TOPHAT, np.ones((1, THICK), np.uint8))[:, THICK:-THICK]
    thin = np.where(image >= BRIGHT, thin, 0).astype(np.uint8)
    upright = np.asarray(cv2.morphologyEx(thin, cv2.MORPH_OPEN, np.ones((STROKE, 1), np.uint8)))
    stats = cv2.connectedComponentsWithStats((upright > CONTRAST).view(np.uint8), connectivity=4)[2][1:]
    boxes = [Roi(*map(int, row[:4])) for row in stats if row[2] <= 3 and STROKE <= row[3] <= TALL]
    return [
        (box, float(np.median(image[box.y : box.bottom, box.x : box.right].max(1))))
        for box in sorted(boxes, key=_left_to_right)
    ]


def _near(stroke: Roi, cross: Roi) -> bool:
    inside = cross.x - 3 <= stroke.x <= cross.right + 3
    return inside and cross.y - 8 <= stroke.y <= cross.bottom + 8


def _doubled(box: Roi) -> Roi:
    return Roi(2 * box.x, 2 * box.y, 2 * box.width, 2 * box.height)


def _halved(box: Roi) -> Roi:
    return Roi(box.x // 2, box.y // 2, max(1, box.width // 2), max(1, box.height // 2))


def _left_to_right(box: Roi) -> tuple[int, int]:
    return box.x, box.y
