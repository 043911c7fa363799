"""Follows the box that the operator has drawn around a lesion, from picture to picture.

Median flow (Kalal, Mikolajczyk and Matas, Forward-Backward Error, 2010): points in the box are followed by
Lucas and Kanade's flow there and back; those that do not come back are left out; the medians of the rest move
the box. From there it is drawn to where the lesion's appearance is found again. Speckle changes as the probe
sweeps, so the pictures are smoothed first. What is not found is lost, and stays so until it is marked again.
A hand's box is rarely the lesion's: the box that is followed is fitted to the lesion at the mark, and the one
that is shown keeps its place and size to it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.appearance import Appearance, Box, Window
from edge.exam.ellipse import fit_ellipse

LOST = "lesion lost: mark it again"

_SIDE = 96  # pixels of the window's longer side once it is shrunk
_REACH = 2.0  # the window's side over the box's
_GRID = 9  # points a side
_RETURN = 1.5  # pixels that a point may miss its start by, there and back
_FEWEST = 0.35  # share of the points that must come back
_PULL = 0.7  # how far the box goes from where the flow puts it to where the appearance is found
_LEAST = 8  # pixels
_MISSES = 2  # pictures in a row without it until it is lost

Points = NDArray[np.float32]


class LesionTracker:
    """One lesion. `mark` it, then `follow` with every new picture."""

    def __init__(self) -> None:
        """Nothing is marked."""
        self._box: Box | None = None  # around the lesion
        self._drawn = Box(0, 0, 1, 1)  # the operator's, in sides of the lesion's from its centre
        self._window = Roi(0, 0, 1, 1)
        self._before: Window | None = None
        self._appearance: Appearance | None = None
        self._marked = Box(0, 0, 1, 1)
        self._misses = 0
        self._bounds = Roi(0, 0, 1, 1)

    @property
    def lost(self) -> bool:
        """True if nothing is followed."""
        return self._box is None

    def mark(self, frame: Frame, roi: Roi) -> None:
        """Begin with the lesion that `roi` of `frame`, inside its bounds, is roughly drawn around."""
        box = fit_ellipse(frame, roi)
        self._drawn = Box(
            (roi.x + roi.width / 2 - box.x) / box.width,
            (roi.y + roi.height / 2 - box.y) / box.height,
            roi.width / box.width,
            roi.height / box.height,
        )
        self._box = self._marked = box
        self._bounds, self._misses = frame.bounds, 0
        self._appearance = Appearance(self._cut(frame, box), self._shrunk(box))

    def lose(self) -> None:
        """Nothing is followed any more: another scene."""
        self._box = self._before = None

    def follow(self, frame: Frame) -> Roi | None:
        """The drawn box moved with the lesion, whole pixels inside the bounds; None once it is lost."""
        if self._box is None or self._before is None or frame.bounds != self._bounds:
            self.lose()
            return None
        assert self._appearance is not None
        now = _window_of(frame, self._window, self._before.shape)
        flown = self._flow(now)
        near = flown or self._shrunk(self._box)
        found, alike = self._appearance.find(now, near, self._shrunk(self._marked))
        drawn = Box(*(a + _PULL * (b - a) for a, b in zip(_values(near), _values(found), strict=True)))
        there = self._appearance.holds(now, drawn, alike)
        # Neither flow nor appearance: another scene. Appearance alone: the speckle has changed too fast.
        self._misses = 0 if there else self._misses + (1 if flown else _MISSES)
        moved = self._enlarged(drawn)
        inside, shown = _whole(moved, frame.bounds), _whole(self._shown(moved), frame.bounds, 0.0)
        small = inside is None or min(inside.width, inside.height) < _LEAST
        if self._misses >= _MISSES or small or shown is None:
            self.lose()
            return None
        self._box = moved
        self._cut(frame, moved)
        return shown

    def _shown(self, box: Box) -> Box:
        """The drawn box where the lesion's is `box`."""
        drawn = self._drawn
        return Box(
            box.x + drawn.x * box.width,
            box.y + drawn.y * box.height,
            drawn.width * box.width,
            drawn.height * box.height,
        )

    def _cut(self, frame: Frame, box: Box) -> Window:
        """Keep the surroundings of `box` to compare the next picture with."""
        window = _whole(Box(box.x, box.y, box.width * _REACH, box.height * _REACH), frame.bounds, 0.0)
        assert window is not None  # the box meets the picture
        scale = min(1.0, _SIDE / max(window.width, window.height))
        shape = max(8, round(window.height * scale)), max(8, round(window.width * scale))
        self._window = window
        self._before = _window_of(frame, window, shape)
        return self._before

    def _shrunk(self, box: Box) -> Box:
        """`box` in the pixels of the shrunk window."""
        assert self._before is not None
        across, down = self._before.shape[1] / self._window.width, self._before.shape[0] / self._window.height
        return Box(
            (box.x - self._window.x) * across,
            (box.y - self._window.y) * down,
            box.width * across,
            box.height * down,
        )

    def _enlarged(self, box: Box) -> Box:
        """The other way round."""
        assert self._before is not None
        across, down = self._window.width / self._before.shape[1], self._window.height / self._before.shape[0]
        return Box(
            box.x * across + self._window.x,
            box.y * down + self._window.y,
            box.width * across,
            box.height * down,
        )

    def _flow(self, now: Window) -> Box | None:
        """The box in the shrunk window after what its points did, or None where too few of them came back."""
        assert self._before is not None
        assert self._box is not None
        box = self._shrunk(self._box)
        x = np.linspace(-0.55, 0.55, _GRID) * box.width + box.x
        y = np.linspace(-0.55, 0.55, _GRID) * box.height + box.y
        start = np.stack(np.meshgrid(x, y), -1).reshape(-1, 1, 2).astype(np.float32)
        end, found = _flow(self._before, now, start)
        back, again = _flow(now, self._before, end)
        missed = np.linalg.norm((back - start)[:, 0], axis=1)
        good = (found[:, 0] & again[:, 0]).astype(bool) & (missed < _RETURN)
        if good.mean() < _FEWEST:
            return None
        shift = np.median((end - start)[good, 0], axis=0)
        return Box(box.x + float(shift[0]), box.y + float(shift[1]), box.width, box.height)


def _flow(old: Window, new: Window, points: Points) -> tuple[Points, NDArray[np.uint8]]:
    """Where `points` (n, 1, 2) of `old` are in `new`, and 1 where they were found, (n, 1)."""
    end, found, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
        old, new, points, None, winSize=(15, 15), maxLevel=2
    )
    return end, found


def _values(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _window_of(frame: Frame, window: Roi, shape: tuple[int, ...]) -> Window:
    """The window's luma, shrunk to `shape` and smoothed."""
    small = cv2.resize(frame.luma(window), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 2.0), np.uint8)


def _whole(box: Box, bounds: Roi, least: float = 0.5) -> Roi | None:
    """`box` in whole pixels, cut at `bounds`; None where less than the share `least` of it is left."""
    left, top = max(bounds.x, round(box.x - box.width / 2)), max(bounds.y, round(box.y - box.height / 2))
    right = min(bounds.right, round(box.x + box.width / 2))
    bottom = min(bounds.bottom, round(box.y + box.height / 2))
    if right <= left or bottom <= top or (right - left) * (bottom - top) < least * box.width * box.height:
        return None
    return Roi(left, top, right - left, bottom - top)
