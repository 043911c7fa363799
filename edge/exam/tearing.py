"""Torn pictures: above a line they are new, below it still the picture before, or the other way round.

A grabber that misses a part of a picture hands out what its buffer still held, to the very grey level. While
the probe moves every row of tissue changes, so rows that stay beside rows that change are a tear. It is seen
only against a whole picture: where every picture is torn at the same line, both its parts change each time.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

TORN = "torn pictures: a part of each is an older one; check the cable and the card"

_CALM = 0.3  # mean grey levels of a row: what was encoded anew stays below
_LIVELY = 1.5  # a row that changed by less shows noise, or next to nothing
_LIT = 24  # mean grey level of either range: rows darker than this may well stay the same
_FEWEST = 2  # rows on either side of the tear, of those that are compared
_REPEATS, _WITHIN_NS = 3, 1_000_000_000  # so many torn pictures in so long withhold the risk


class Tearing:
    """Fed with the same rows of every picture."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.torn = False  # the last picture
        self.count = 0
        self._whole: NDArray[np.uint8] | None = None  # the newest that was not torn
        self._moved: NDArray[np.bool_] | None = None  # rows that changed from one whole picture to the next
        self._lively: NDArray[np.bool_] | None = None  # rows that did so twice running: not a text's coming
        self._newest: deque[int] = deque(maxlen=_REPEATS)

    def look(self, rows: NDArray[np.uint8], now_ns: int) -> None:
        """Take a picture's `rows`, uint8 (n, width), into account; they are kept and not written to."""
        whole, self.torn = self._whole, False
        if whole is None or whole.shape != rows.shape:
            self._whole, self._moved, self._lively = rows, None, None
            return
        difference = cv2.absdiff(whole, rows)
        change = np.asarray(cv2.reduce(difference, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F))[:, 0]
        moved, stayed = change > _LIVELY, change < _CALM
        if self._lively is not None and (moved & self._lively).any() and (stayed & self._lively).any():
            lit = rows[stayed & self._lively].mean() > _LIT
            parts = moved[self._lively], stayed[self._lively]
            self.torn = bool(lit) and (_two_parts(*parts) or _two_parts(*reversed(parts)))
        if self.torn:
            self.count += 1
            self._newest.append(now_ns)
            return
        self._whole = rows
        if not stayed.all():  # a repeated picture says nothing of what moves
            self._lively = None if self._moved is None else moved & self._moved
            self._moved = moved

    def reason(self, now_ns: int) -> str | None:
        """Why no risk may be shown, or None while tears are single ones."""
        often = len(self._newest) == _REPEATS and now_ns - self._newest[0] < _WITHIN_NS
        return TORN if often else None


def _two_parts(above: NDArray[np.bool_], below: NDArray[np.bool_]) -> bool:
    """True if `above` holds down to some row and `below` from there on; the row between may be of both."""
    line = int(np.argmin(above))  # the first where it does not hold; 0 where it always does
    return line >= _FEWEST and len(below) - line > _FEWEST and bool(below[line + 1 :].all())
