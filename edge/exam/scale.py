"""Reads the depth scale beside the ultrasound field, so that sizes are in millimetres.

A scale is a column of bright marks at equal distances, of which every second, fifth or tenth is longer or
larger: those are centimetres. Without that difference a mark may be 1, 5 or 10 mm, and nothing is read.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, Plane
from edge.contract.roi import Roi

_BESIDE = 0.06  # of the picture's width, on either side of the field
_RAISED = 60  # grey levels above the column's usual one
_FEWEST = 5  # marks
_UNEVEN = 1.6  # pixels that a mark may lie off its place
_PARTS = (2, 5, 10)  # marks a centimetre
_LARGER = 1.25  # a centimetre's mark over the others, by brightness times area

_AGAIN_NS = 1_000_000_000  # between two looks at whether the marks are where they were
_UNREAD_LOOKS = 5  # looks after which it is tried again where nothing was read
_CHANGED, _MOVED = 40, 12  # grey levels, and so many pixels of a strip: a mark has some tens of them

_Level = NDArray[np.float32]


class DepthScale:
    """Pixels a millimetre now. Depth and zoom change without a word: the marks are looked at every second."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.px_per_mm: float | None = None
        self._field: Roi | None = None
        self._looked_ns = 0
        self._unread = 0  # looks since nothing could be read
        self._strip: Roi | None = None  # where it was read
        self._seen: Plane = np.zeros((1, 1), np.uint8)  # what stood there

    def look(self, frame: Frame, field: Roi | None, now_ns: int, *, cut: bool) -> None:
        """Read the scale beside `field`, again where something beside it has changed.

        Args:
            frame: before anything is drawn into it.
            field: the ultrasound field, if it is known.
            now_ns: on the clock that all calls use.
            cut: another scene than the picture before: the scale is not believed until it is read again.
        """
        if field is None:
            self._field = self.px_per_mm = None
            return
        due = not 0 <= now_ns - self._looked_ns < _AGAIN_NS
        if field == self._field and not cut and not due:
            return
        self._looked_ns = now_ns
        if field == self._field and not cut and self._same(frame):
            return
        self._field, self._unread, self._strip, self.px_per_mm = field, 0, None, None
        for strip in _beside(frame, field):
            self.px_per_mm = _read(frame.luma(strip))
            if self.px_per_mm is not None:
                self._strip, self._seen = strip, frame.luma(strip).copy()
                return

    def _same(self, frame: Frame) -> bool:
        if self._strip is None:
            self._unread += 1
            return self._unread < _UNREAD_LOOKS
        return not _differs(frame.luma(self._strip), self._seen)


def read_scale(frame: Frame, field: Roi) -> float | None:
    """Pixels a millimetre by the marks beside `field`; None where no scale can be told."""
    scale = DepthScale()
    scale.look(frame, field, 0, cut=True)
    return scale.px_per_mm


def _differs(strip: Plane, before: Plane) -> bool:
    change = cv2.threshold(cv2.absdiff(strip, before), _CHANGED, 1, cv2.THRESH_BINARY)[1]
    return cv2.countNonZero(change) >= _MOVED


def _beside(frame: Frame, field: Roi) -> list[Roi]:
    """Where a scale may be, the likeliest first: right and left of the field, then inside its sides."""
    reach = round(_BESIDE * frame.width)
    right, left = min(field.right + reach, frame.width), max(0, field.x - reach)
    top, bottom = max(0, field.y - 8), min(frame.height, field.bottom + 8)
    sides = (
        (field.right, right),
        (left, field.x),
        (field.right - reach, field.right),
        (field.x, field.x + reach),
    )
    return [Roi(x, top, end - x, bottom - top) for x, end in sides if end - x >= 8]


def _read(strip: NDArray[np.uint8]) -> float | None:
    """The scale in a strip beside the field; numbers beside the marks stand apart from them."""
    raised = np.maximum(strip.astype(np.float32) - np.median(strip, axis=0) - _RAISED, 0)
    best: tuple[int, float] | None = None
    filled = np.flatnonzero((raised > 0).sum(0) >= _FEWEST)
    for left in range(0, len(filled), 2):
        column = int(filled[left])
        found = _regular(raised[:, max(0, column - 2) : column + 3].max(1), raised, column)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return None if best is None else best[1]


def _regular(profile: _Level, raised: _Level, column: int) -> tuple[int, float] | None:
    """How many marks stand at equal distances in this column, and pixels a millimetre by them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (profile > 0).astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if len(starts) < _FEWEST or (ends - starts).max() > 0.03 * len(profile) + 4:
        return None
    marks = list(zip(starts, ends, strict=True))
    centres = np.array([np.average(np.arange(a, b), weights=profile[a:b]) for a, b in marks])
    step = float(np.median(np.diff(centres)))
    if step < 4:
        return None
    numbers = np.rint((centres - centres[0]) / step)
    slope, start = np.polyfit(numbers, centres, 1)
    if np.abs(start + slope * numbers - centres).max() > _UNEVEN or (np.diff(numbers) != 1).any():
        return None
    near = raised[:, max(0, column - 2) : column + max(6, round(0.5 * step))]
    weights = np.array([near[a:b].sum() for a, b in marks])
    parts = _parts(weights)
    return None if parts is None else (len(centres), float(slope) * parts / 10)


def _parts(weights: _Level) -> int | None:
    """How many marks a centimetre has: every which one is larger than all others."""
    for parts in _PARTS:
        for first in range(min(parts, len(weights))):
            large = np.arange(len(weights)) % parts == first
            if large.sum() >= 2 and weights[large].min() > _LARGER * weights[~large].max():
                return parts
    return None
