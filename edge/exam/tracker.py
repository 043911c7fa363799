"""Follows the box that the operator has drawn around a lesion, from picture to picture.

Median flow (Kalal, Mikolajczyk and Matas, Forward-Backward Error, 2010): points in the box are followed by
Lucas and Kanade's flow there and back; those that do not come back are left out; the medians of the rest move
the box. Speckle changes as the probe sweeps, so the pictures are smoothed first, and the box is drawn towards
the dark blob that it holds. What cannot be followed is lost, and stays lost until it is marked again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi

LOST = "lesion lost: mark it again"

_SIDE = 96  # pixels of the window's longer side once it is shrunk
_REACH = 2.0  # the window's side over the box's
_GRID = 9  # points a side
_RETURN = 1.5  # pixels that a point may miss its start by, there and back
_FEWEST = 0.35  # share of the points that must come back
_LOOSEST = 1.5  # sides of a marked box over its dark part's that are kept up
_BLACK = 18  # grey levels, smoothed and of either range
_PULL = 0.3  # how far the box goes to the dark part's own bounds with each picture
_AROUND = 1.15  # sides of what is searched for the dark part over the box's
_LEVEL = 0.6  # of the contrast at marking, from the surroundings to the lesion: what is darker counts
_GROWTH = 1.3  # of the marked sides: the box grows no larger
_TAIL = 0.03  # share of the dark part's pixels beyond its bounds on either side: strays
_FAINT = 0.3  # of the box's area that the dark part must fill, else the lesion is not there
_SMALL = 0.08  # of the area at marking: a smaller dark part is no lesion that could be judged
_LEAST = 8  # pixels
_MISSES = 2  # pictures in a row without it until it is lost


Window = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its centre and sides, in pixels and parts of them."""

    x: float
    y: float
    width: float
    height: float


class LesionTracker:
    """One lesion. `mark` it, then `follow` with every new picture."""

    def __init__(self) -> None:
        """Nothing is marked."""
        self._box: Box | None = None
        self._window = Roi(0, 0, 1, 1)
        self._before: Window | None = None
        self._contrast = 0.0
        self._area = 0.0
        self._most = (0.0, 0.0)
        self._slack = (1.0, 1.0)  # sides of the box over the dark part's
        self._misses = 0
        self._bounds = Roi(0, 0, 1, 1)

    @property
    def lost(self) -> bool:
        """True if nothing is followed."""
        return self._box is None

    def mark(self, frame: Frame, roi: Roi) -> None:
        """Begin with the lesion in `roi` of `frame`, inside its bounds."""
        self._box = Box(roi.x + roi.width / 2, roi.y + roi.height / 2, float(roi.width), float(roi.height))
        self._bounds = frame.bounds
        self._area = float(roi.width * roi.height)
        self._most = (_GROWTH * roi.width, _GROWTH * roi.height)
        self._slack, self._misses = (1.0, 1.0), 0
        window = self._cut(frame, self._box)
        self._contrast = _contrast(window, self._shrunk(self._box))
        found = self._dark_part(window, self._box)
        if found is not None:  # as loosely as the operator has drawn it, it is followed
            ratios = np.clip((roi.width / found.width, roi.height / found.height), 1.0, _LOOSEST)
            self._slack = float(ratios[0]), float(ratios[1])

    def lose(self) -> None:
        """Nothing is followed any more: another scene."""
        self._box = self._before = None

    def follow(self, frame: Frame) -> Roi | None:
        """Where the lesion is in `frame`, whole pixels inside its bounds; None once it is lost."""
        if self._box is None or self._before is None or frame.bounds != self._bounds:
            self.lose()
            return None
        now = _window_of(frame, self._window, self._before.shape)
        moved = self._flow(now)
        if moved is None:
            self.lose()
            return None
        part = self._drawn(now, moved)
        self._misses = 0 if part else self._misses + 1
        moved = part or moved
        inside = _whole(moved, frame.bounds)
        if self._misses >= _MISSES or inside is None or min(inside.width, inside.height) < _LEAST:
            self.lose()
            return None
        self._box = moved
        self._cut(frame, moved)
        return inside

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
        """The box after what its points did, or None where too few of them came back."""
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
        return self._enlarged(Box(box.x + float(shift[0]), box.y + float(shift[1]), box.width, box.height))

    def _drawn(self, now: Window, moved: Box) -> Box | None:
        """`moved`, a part of the way to the dark part in it; None where there is none."""
        found = self._dark_part(now, moved)
        if found is None:
            return None
        found = replace(found, width=found.width * self._slack[0], height=found.height * self._slack[1])
        drawn = Box(*(a + _PULL * (b - a) for a, b in zip(_values(moved), _values(found), strict=True)))
        return replace(drawn, width=min(drawn.width, self._most[0]), height=min(drawn.height, self._most[1]))

    def _dark_part(self, now: Window, around: Box) -> Box | None:
        """The bounds of what is dark in and about `around`, None where that is too little.

        Dark is what lies beyond a part of the contrast that the lesion had when it was marked, in one piece
        or several. A lesion that was marked as brighter than its surroundings is looked for as such.
        """
        box = self._shrunk(around)
        bounds = Roi(0, 0, now.shape[1], now.shape[0])
        near = _whole(Box(box.x, box.y, box.width * _AROUND, box.height * _AROUND), bounds)
        if near is None:
            return None
        level = _ring(now, box) - _LEVEL * self._contrast
        part = now[near.y : near.bottom, near.x : near.right]
        darker = ((part < level) if self._contrast > 0 else (part > level)).astype(np.uint8)
        mask = np.asarray(cv2.morphologyEx(darker, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
        mask = _core(mask & ~_outside(now)[near.y : near.bottom, near.x : near.right])
        area = int(mask.sum())
        scale = now.shape[1] / self._window.width
        if area < max(_FAINT * box.width * box.height, _SMALL * self._area * scale * scale):
            return None
        left, right = _bounds(mask.sum(0))
        top, bottom = _bounds(mask.sum(1))
        found = Box(near.x + (left + right) / 2, near.y + (top + bottom) / 2, right - left, bottom - top)
        return self._enlarged(found)


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


def _outside(window: Window) -> Window:
    """1 where it is black up to the window's border: beside a sector there is no tissue."""
    black = (window <= _BLACK).astype(np.uint8)
    if not black.any():
        return black
    _, labels = cv2.connectedComponents(black)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.asarray(np.isin(labels, np.unique(border[border > 0])), np.uint8)


def _core(mask: Window) -> Window:
    """The pieces of `mask` that reach into its middle; others are shadows, vessels, muscle."""
    _, labels = cv2.connectedComponents(mask)
    height, width = mask.shape
    middle = labels[height // 4 : height - height // 4, width // 4 : width - width // 4]
    kept = np.unique(middle)
    return np.asarray(np.isin(labels, kept[kept > 0]), np.uint8)


def _ring(window: Window, box: Box) -> float:
    """Median grey around `box`: right and left of it, where neither skin nor shadow is."""
    left, right = max(0, round(box.x - 0.5 * box.width)), round(box.x + 0.5 * box.width)
    far = max(2, round(0.35 * box.width))
    top, bottom = max(0, round(box.y - 0.5 * box.height)), max(1, round(box.y + 0.5 * box.height))
    rows = window[top:bottom]
    beside = np.concatenate(
        [rows[:, max(0, left - far) : left].ravel(), rows[:, right : right + far].ravel()]
    )
    return float(np.median(beside)) if beside.size else 0.0


def _contrast(window: Window, box: Box) -> float:
    """Grey levels by which the surroundings are brighter than the box's inner part."""
    bounds = Roi(0, 0, window.shape[1], window.shape[0])
    inner = _whole(Box(box.x, box.y, 0.6 * box.width, 0.6 * box.height), bounds)
    if inner is None:
        return 0.0
    return _ring(window, box) - float(np.median(window[inner.y : inner.bottom, inner.x : inner.right]))


def _bounds(counts: NDArray[np.uint64]) -> tuple[float, float]:
    """First and last place but the strays."""
    share = np.cumsum(counts) / counts.sum()
    return float(np.searchsorted(share, _TAIL)), float(np.searchsorted(share, 1 - _TAIL) + 1)
