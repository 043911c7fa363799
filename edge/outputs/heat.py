"""The class activation as a tint: what speaks for malignancy turns orange, and the speckle stays as it is.

Where there is no tissue, as beside a sector, there is no tint.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, PixelFormat, Plane
from edge.contract.roi import Roi
from edge.exam.heat import HeatMap

_FROM, _TO = 0.5, 0.9  # activation: 0.5 speaks for neither class
_BLUE, _RED = -70.0, 45.0  # chroma of the orange at its strongest
_CELLS = 48  # across and down in which tissue is looked for
_DARK = 8  # grey levels above black; beside a sector there is nothing brighter
_RGB = (50.0, -5.0, -75.0)  # the same in red, green, blue (BT.601)


class Heat:
    """Keeps the tint until the map or the place changes."""

    def __init__(self) -> None:
        """Nothing to draw yet."""
        self._made_for: tuple[int, Roi, PixelFormat] | None = None
        self._strength: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._chroma: tuple[Plane, Plane] | None = None

    def draw(self, frame: Frame, heat: HeatMap, area: Roi) -> None:
        """Tint `area` of `frame`; grey formats have no colour to give and stay as they are.

        Args:
            frame: whose planes may be written to.
            heat: what is drawn; it is looked at only where it is another one than before.
            area: its own, on even pixels, inside the frame.
        """
        if frame.format is PixelFormat.GRAY8:
            return
        wanted = (heat.sequence, area, frame.format)
        rgb = frame.format in (PixelFormat.BGR24, PixelFormat.RGB24)
        if wanted != self._made_for:
            self._made_for = wanted
            size = (area.width, area.height) if rgb else (area.width // 2, area.height // 2)
            smooth = cv2.resize(heat.activation, size, interpolation=cv2.INTER_LINEAR)
            strength = np.clip((smooth - _FROM) / (_TO - _FROM), 0.0, 1.0)
            self._strength = np.asarray(strength * _tissue(frame, area, size), np.float32)
            self._chroma = (_around(self._strength, _BLUE), _around(self._strength, _RED))
        assert self._chroma is not None
        blue, red = self._chroma
        x, y, right, bottom = area.x, area.y, area.right, area.bottom
        half = np.s_[y // 2 : bottom // 2, x // 2 : right // 2]
        if frame.format is PixelFormat.I420:
            frame.planes[1][half], frame.planes[2][half] = blue, red
        elif frame.format is PixelFormat.NV12:
            frame.planes[1][half][..., 0], frame.planes[1][half][..., 1] = blue, red
        elif frame.format is PixelFormat.YUYV:
            chroma = frame.planes[0][y:bottom, x:right, 1]
            for row in (0, 1):  # each row of the tint serves two of the picture
                chroma[row::2, 0::2], chroma[row::2, 1::2] = blue, red
        else:
            part = frame.planes[0][y:bottom, x:right]
            colour = np.array(_RGB if frame.format is PixelFormat.RGB24 else _RGB[::-1], np.float32)
            part[:] = np.clip(part + self._strength[..., None] * colour, 0, 255).astype(np.uint8)


def _tissue(frame: Frame, area: Roi, size: tuple[int, int]) -> NDArray[np.float32]:
    """1 where tissue is, 0 where the picture is black for want of any; dark spots within it are tissue."""
    small = cv2.resize(frame.luma(area), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    black = 0 if frame.full_range else 16
    lit = np.pad((small > black + _DARK).astype(np.float32), _CELLS)
    closed = cv2.morphologyEx(lit, cv2.MORPH_CLOSE, np.ones((_CELLS // 4, _CELLS // 4), np.uint8))
    inner = np.s_[_CELLS : 2 * _CELLS, _CELLS : 2 * _CELLS]
    return np.asarray(cv2.resize(closed[inner], size, interpolation=cv2.INTER_LINEAR), np.float32)


def _around(strength: NDArray[np.float32], most: float) -> Plane:
    """A chroma plane: neutral where nothing speaks for malignancy."""
    return np.asarray(128.0 + most * strength, np.uint8)
