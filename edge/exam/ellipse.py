"""The dark ellipse that a roughly drawn box means: what is followed is the lesion, not the hand's box.

A box drawn larger than the lesion has tissue in it that stays as the lesion leaves, and would be followed
instead; one drawn smaller has nothing but speckle in it. The ellipse is the one with the greatest step from
its mean grey level to that of the ring around it, weighed by how far it is from the drawn box.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.appearance import Box

_SIDE = 40  # samples of the window's sides
_REACH = 2.6  # the window's sides over the drawn box's
_SIZES = np.geomspace(0.57, 1.54, 8)  # sides of an ellipse over the drawn box's
_LONGER = 1.9  # that one side may change more than the other
_RING = 1.35  # the ring's outer sides over the ellipse's
_DOUBT = 0.6, 0.3  # at which the weight falls: logarithm of a side, offset in sides
_FARTHEST = 0.33  # offset in sides
_LEAST = 2.0  # grey levels of a weighed step that is one


def fit_ellipse(frame: Frame, drawn: Roi) -> Box:
    """The box around the dark ellipse in about the place and size of `drawn`; `drawn` if nothing is darker.

    Its centre lies in the frame. Takes some milliseconds, once for each mark.
    """
    box = Box(drawn.x + drawn.width / 2, drawn.y + drawn.height / 2, float(drawn.width), float(drawn.height))
    window = _around(box, frame.bounds)
    small = cv2.resize(frame.luma(window), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32)
    across, down = _SIDE / window.width, _SIDE / window.height
    rows, columns = np.mgrid[:_SIDE, :_SIDE] + 0.5
    right, low = columns / across + window.x - box.x, rows / down + window.y - box.y  # pixels off the centre
    found, best = box, _LEAST
    for wide in _SIZES:
        for high in _SIZES:
            if not 1 / _LONGER <= wide / high <= _LONGER:
                continue
            width, height = float(wide * box.width), float(high * box.height)
            step = cv2.filter2D(
                grey, -1, _ring(width * across, height * down), borderType=cv2.BORDER_REPLICATE
            )
            off = (right / width) ** 2 + (low / height) ** 2
            doubt = (np.log(wide) ** 2 + np.log(high) ** 2) / _DOUBT[0] ** 2 + off / _DOUBT[1] ** 2
            weighed = np.where(
                np.maximum(np.abs(right) / width, np.abs(low) / height) < _FARTHEST,
                step * np.exp(-doubt / 2),
                0.0,
            )
            place = np.unravel_index(np.argmax(weighed), weighed.shape)
            if weighed[place] > best:
                best = float(weighed[place])
                found = Box(box.x + float(right[place]), box.y + float(low[place]), width, height)
    return found


def _around(box: Box, bounds: Roi) -> Roi:
    """The window to look for it in, whole pixels inside `bounds`."""
    left = max(bounds.x, round(box.x - box.width * _REACH / 2))
    top = max(bounds.y, round(box.y - box.height * _REACH / 2))
    right = min(bounds.right, round(box.x + box.width * _REACH / 2))
    bottom = min(bounds.bottom, round(box.y + box.height * _REACH / 2))
    return Roi(left, top, right - left, bottom - top)


def _ring(width: float, height: float) -> NDArray[np.float32]:
    """Weights that give the mean of the ring less the mean of the ellipse, whose sides are in samples."""
    half = int(np.ceil(width * _RING / 2)), int(np.ceil(height * _RING / 2))
    rows, columns = np.mgrid[-half[1] : half[1] + 1, -half[0] : half[0] + 1]
    away = np.hypot(columns / (width / 2), rows / (height / 2))
    inside, ring = away < 1, (away >= 1) & (away < _RING)
    return np.asarray(ring / ring.sum() - inside / inside.sum(), np.float32)
