"""Burned-in text, calipers and colour: what a network may learn instead of the lesion.

Looks for what speckle cannot be: several bright strokes of letter size on one line, bright crosses with thin
arms, coloured pixels. On 160 pictures of BUSI drawn at random and looked at one by one: calipers found in 19
of the 25 that have them (14 of 18 in the half that the constants were chosen on, 5 of 7 in the other), and in
none of the other 135. Small crosses over bright tissue, texts of one or two letters, dotted lines are missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

SIDE = 256  # pixels of the longer side that pictures are shrunk to; smaller ones stay as they are
CROSS = 0.78  # correlation with a drawn cross that tells by itself
CROSS_CONTRAST = 110  # grey levels above the surroundings; letters need half of that
PAIR = 0.66  # correlation that tells where two crosses have it: calipers come in pairs
WHITE = 210  # grey level of a cross's centre
LETTERS = 3  # strokes on one line that make a text
COLOUR = 60  # difference between the largest and the smallest of red, green and blue
COLOURED = 10  # pixels

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
    scale = SIDE / max(image.shape)
    if scale < 1:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    stands_out = np.asarray(cv2.morphologyEx(image, cv2.MORPH_TOPHAT, np.ones((9, 9), np.uint8)), np.uint8)
    return Marks(_crosses(image, stands_out), _letters(image, stands_out), coloured)


def _crosses(image: Grey, stands_out: Grey) -> tuple[Roi, ...]:
    sure: list[Roi] = []
    likely: list[Roi] = []
    for size, upright in ((size, upright) for size in (7, 9, 11, 13) for upright in (True, False)):
        drawn = _draw_cross(size, upright)
        side = drawn.shape[0]
        if min(image.shape) < side:
            continue
        likeness = cv2.matchTemplate(image.astype(np.float32), drawn, cv2.TM_CCOEFF_NORMED)
        for y, x in zip(*np.nonzero(likeness > PAIR), strict=True):
            centre = y + side // 2, x + side // 2
            box = Roi(int(x), int(y), side, side)
            if likeness[y, x] > CROSS and stands_out[centre] > CROSS_CONTRAST:
                _add(sure, box)
            if upright and stands_out[centre] > CROSS_CONTRAST and image[centre] > WHITE:
                _add(likely, box)
    if len(likely) > 1:
        for box in likely:
            _add(sure, box)
    return tuple(sure)


def _add(found: list[Roi], box: Roi) -> None:
    if not any(_near(box, other) for other in found):
        found.append(box)


def _draw_cross(size: int, upright: bool) -> NDArray[np.float32]:
    image = np.zeros((size + 4, size + 4), np.float32)
    middle, arm = (size + 4) // 2, size // 2
    for dx, dy in ((arm, 0), (0, arm)) if upright else ((arm, arm), (arm, -arm)):
        cv2.line(image, (middle - dx, middle - dy), (middle + dx, middle + dy), 255.0, 1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.6), np.float32)


def _near(first: Roi, second: Roi) -> bool:
    middle = [(box.x + box.width / 2, box.y + box.height / 2) for box in (first, second)]
    return abs(middle[0][0] - middle[1][0]) + abs(middle[0][1] - middle[1][1]) < 8


def _letters(image: Grey, stands_out: Grey) -> tuple[Roi, ...]:
    bright = ((stands_out > CROSS_CONTRAST // 2) & (image > 110)).astype(np.uint8)
    stats = cv2.connectedComponentsWithStats(bright, connectivity=8)[2][1:]
    sized = [row for row in stats if 4 <= row[3] <= 14 and row[2] <= 14 and row[4] >= 5]
    strokes = sorted((Roi(*map(int, row[:4])) for row in sized), key=_left_to_right)
    found: set[Roi] = set()
    for index, first in enumerate(strokes):
        line = [first]
        for stroke in strokes[index + 1 :]:
            if stroke.x > line[-1].right + 6:
                break
            level = abs(stroke.bottom - line[-1].bottom) <= 1 and abs(stroke.height - line[-1].height) <= 2
            if level and stroke.x >= line[-1].right - 1:
                line.append(stroke)
        if len(line) >= LETTERS:
            found.update(line)
    return tuple(sorted(found, key=_left_to_right))


def _left_to_right(box: Roi) -> tuple[int, int]:
    return box.x, box.y
