"""Where in a few small pictures tissue is: it moves more than the noise, or has texture where nothing moves.

A converter's noise moves everywhere, in the header with the patient's name too. So what counts as motion is
measured against what moves least, and texture is what two halves of the pictures have in common: noise is
different in each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

Mask = NDArray[np.uint8]
Grey = NDArray[np.float32]

VERSION = 3
"""Of this finder. What an older one has found is not believed any more."""

_MOVES = 1.5  # grey levels, standard deviation from picture to picture, where there is no noise
_LOUD = (
    4.0  # times the variance of the noise, which is up to three times what it is where it is cut off at black
)
_QUIET = 5  # percent of the screen in which nothing can be but noise
_BAR = 1  # grey levels that an encoder may add to a bar
_ALIKE = 0.1  # correlation of neighbouring lines: up to 0.01 in noise, from 0.17 on in tissue
_SLOW = 0.93  # variance from picture to picture over the whole one: 1 in noise
_AROUND = (5, 5)  # samples that a variance is of
_TEXTURE = 2.5  # grey levels, local standard deviation of speckle after shrinking
_LEAST = 0.04  # of the screen; a smaller part is no field
_RIM = 0.1  # of a row's samples that move by themselves: under 0.01 in noise, 0.4 and more in tissue
_PARTLY = np.ones((3, 3), np.uint8)  # the outermost samples show tissue in part only
_FLAT = 1.0  # grey level between neighbours, at most, where nothing is drawn
_EMPTY = 0.7  # of a row that is flat: below 0.6 in tissue, above 0.8 under a text


@dataclass(frozen=True, slots=True)
class Tissue:
    """The rectangle around it, and whether it was told by its motion, which is surer than by its texture."""

    box: Roi
    moving: bool


def find_tissue(pictures: NDArray[np.uint8], bounds: Roi) -> Tissue | None:
    """The largest connected part that looks like tissue.

    A scanner's text and bars stand still, are thin, or are flat.

    Args:
        pictures: uint8 (N, h, w), shrunk.
        bounds: of the full picture, in whose pixels the answer is.
    """
    drawn = _drawn(pictures)
    if drawn is None:
        return None
    grey = pictures[(slice(None), *drawn)].astype(np.float32)
    moved = grey - grey.mean(0)
    sharp = (moved**2).sum(0) / (len(grey) - 1)
    variance = cv2.blur(sharp, _AROUND)
    sides = zip(drawn, pictures.shape[1:], strict=True)
    framed = all(part.start > 0 and part.stop < side for part, side in sides)
    noise = _noise(moved, variance, framed=framed)
    least = _MOVES**2 + _LOUD * noise
    moves = variance > least
    moving = _without_rim(_largest(_solid(moves.astype(np.uint8))), sharp > least)
    anything = _largest(_solid((moves | _textured(grey, noise)).astype(np.uint8)))
    # A still probe's picture moves in parts only; then its texture has to tell.
    told = bool(2 * moving.sum() >= anything.sum())
    part = moving if told else _without_text(anything, grey.mean(0), noise / len(grey))
    mask = np.zeros(pictures.shape[1:], np.uint8)
    mask[drawn] = part
    mask = np.asarray(cv2.erode(mask, _PARTLY), np.uint8)
    return Tissue(_box(mask, bounds), told) if mask.mean() >= _LEAST else None


def _drawn(pictures: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """The rows and columns of the screen itself: a converter puts bars beside it that have no noise."""
    low, high = pictures.min(0), pictures.max(0)
    rows = np.flatnonzero(_drawn_rows(low, high))
    columns = np.flatnonzero(_drawn_rows(low[rows].T, high[rows].T)) if len(rows) else rows
    if not len(columns):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _drawn_rows(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Rows that are not of one grey level all the time."""
    return np.asarray(high.max(1).astype(np.int16) - low.min(1) > _BAR, np.bool_)


def _noise(moved: Grey, variance: Grey, *, framed: bool) -> float:
    """The variance that noise has: that of what changes least, which is a scanner's ground or its header.

    Where only tissue is on the screen, that changes least too. It is told from noise, whose lines have
    nothing to do with each other, and whose pictures neither; then there is no noise to be parted from it.

    Args:
        moved: of each picture from the mean.
        variance: of these.
        framed: there is an empty ground on all sides, as there is around a field without a screen. What a
            sweep shows may then change as fast as noise.
    """
    noise = float(np.percentile(variance, _QUIET))
    quiet = variance <= noise
    least = (moved**2).sum(0)[quiet].sum()
    slow = (np.diff(moved, axis=0) ** 2).sum(0)[quiet].sum() / 2 < _SLOW * least
    lines = (moved[:, 1:] * moved[:, :-1]).sum(0)[quiet[1:]].sum() > _ALIKE * least
    return 0.0 if lines and (slow or framed) else noise


def _box(mask: Mask, bounds: Roi) -> Roi:
    x, y, width, height = cv2.boundingRect(mask)
    scale_x, scale_y = bounds.width / mask.shape[1], bounds.height / mask.shape[0]
    left, top = int(x * scale_x), int(y * scale_y)
    right, bottom = round((x + width) * scale_x), round((y + height) * scale_y)
    return Roi(left, top, min(right, bounds.right) - left, min(bottom, bounds.bottom) - top)


def _textured(pictures: Grey, noise: float) -> NDArray[np.bool_]:
    """Where neighbours differ as speckle does, in the same way in both halves of the pictures."""
    one, other = pictures[::2].mean(0), pictures[1::2].mean(0)
    common = cv2.blur(one * other, _AROUND) - cv2.blur(one, _AROUND) * cv2.blur(other, _AROUND)
    textured = (common > _TEXTURE**2 + noise).astype(np.uint8)
    # Before any gap is closed: a line of text or a bar is thinner than this, tissue is not.
    return cv2.morphologyEx(textured, cv2.MORPH_OPEN, np.ones((15, 15), np.uint8)) > 0


def _without_rim(mask: Mask, moves: NDArray[np.bool_]) -> Mask:
    """The mask less the rows and columns at its sides in which only the samples beside them move.

    A network sees a dark rim around the tissue, and finds it unlike what it was trained on.
    """
    kept = mask.copy()
    for part in (kept, kept.T):
        held = part.sum(1)
        inside = np.flatnonzero((moves if part is kept else moves.T).sum(1, where=part > 0) > _RIM * held)
        if len(inside):
            part[: inside[0]] = 0
            part[inside[-1] + 1 :] = 0
    return kept


def _without_text(mask: Mask, steady: Grey, noise: float) -> Mask:
    """The textured part less what an empty line parts from it: a still header has texture as tissue has.

    Patient's data stand in headers, so a strip of tissue is rather lost than a line of text kept.
    """
    flat = _FLAT + 2 * float(np.sqrt(2 * noise))
    across = _between_empty_rows(mask.T.copy(), steady.T, flat).T
    return _largest(_between_empty_rows(mask, steady, flat) & across)


def _between_empty_rows(mask: Mask, picture: Grey, flat: float) -> Mask:
    """The mask from the last empty row of its upper third to the first one of its lower third.

    A row is empty if neighbours in `picture` (h, w) differ by at most `flat` wherever the mask is set.
    """
    rows = np.flatnonzero(mask.any(1))
    level = np.abs(np.diff(picture, axis=1, append=picture[:, -1:])) <= flat
    empty = rows[(level & (mask > 0))[rows].sum(1) > _EMPTY * mask[rows].sum(1)]
    third = len(rows) // 3
    above, below = empty[np.isin(empty, rows[:third])], empty[np.isin(empty, rows[len(rows) - third :])]
    kept = mask.copy()
    kept[: above[-1] + 1 if len(above) else 0] = 0
    kept[below[0] if len(below) else len(kept) :] = 0
    return kept


def _largest(mask: Mask) -> Mask:
    """The largest connected part alone."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return np.zeros_like(mask)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.uint8)


def _solid(mask: Mask) -> Mask:
    """Close the holes that dark tissue leaves, then drop what is too thin to be tissue."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((13, 13), np.uint8))
    return np.asarray(opened, np.uint8)
