"""Finds the place on the scanner's screen where a panel hides the least."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

_LIT = 24  # grey levels; brighter pixels outside the field are text and controls
_ANATOMY = 100.0  # how much worse it is to hide a pixel of the field than one of the controls
_STEPS = 24  # places tried across and down
_BESIDE = 0.05  # how much it matters to hide what is dark in the field, beside the tissue
_MOSTLY = 0.8  # twice the share of a field that is lit at least, or the picture is too dark to tell

Whole = NDArray[np.intp]
Sums = NDArray[np.float64]


def find_place(
    sizes: list[tuple[int, int]], bounds: Roi, field: Roi | None, lit: NDArray[np.uint8]
) -> tuple[int, Roi]:
    """Where to put a panel that may have one of several sizes.

    Args:
        sizes: (width, height) in pixels, the best first; a later one is taken only where it hides less than
            half of what the earlier ones hide.
        bounds: of the picture.
        field: the ultrasound field, if known.
        lit: uint8 (h, w), a small picture of the whole screen.

    Returns:
        Index of the size, and the place on even pixels; ties go to the top right.
    """
    controls = (lit > _LIT).astype(np.float32)
    anatomy = np.zeros_like(controls)
    scale_x, scale_y = controls.shape[1] / bounds.width, controls.shape[0] / bounds.height
    if field is not None:
        inside = (
            slice(int(field.y * scale_y), int(np.ceil(field.bottom * scale_y))),
            slice(int(field.x * scale_x), int(np.ceil(field.right * scale_x))),
        )
        anatomy[inside] = _tissue(controls[inside])
        controls[inside] = 0.0
    hidden_anatomy, hidden_controls = (np.asarray(cv2.integral(m), np.float64) for m in (anatomy, controls))

    best, chosen, least = 0, bounds, float("inf")
    for index, (width, height) in enumerate(sizes):
        lefts, tops = _places(bounds, width, height)
        across, down = _span(lefts, width, scale_x), _span(tops, height, scale_y)
        hidden = _ANATOMY * _sums(hidden_anatomy, across, down) + _sums(hidden_controls, across, down)
        column, row = np.unravel_index(int(np.argmin(hidden)), hidden.shape)
        cost = float(hidden[column, row])
        if index == 0 or cost < 0.5 * least:
            best, least = index, cost
            chosen = Roi(int(lefts[column]), int(tops[row]), width, height)
    return best, chosen


def _tissue(lit: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much it matters to hide each sample of the field: beside a sector there is nothing to be hidden.

    Dark spots within the tissue are tissue. A field that is mostly dark is taken for tissue as a whole.
    """
    points = cv2.findNonZero((lit > 0).view(np.uint8))
    if points is None or points.size < _MOSTLY * lit.size:
        return np.ones_like(lit)
    found = np.full_like(lit, _BESIDE)
    return np.asarray(cv2.fillConvexPoly(found, cv2.convexHull(points), 1.0), np.float32)


def _places(bounds: Roi, width: int, height: int) -> tuple[Whole, Whole]:
    """Even columns from the right to the left and rows from the top to the bottom, a small margin kept."""
    margin = max(2, min(bounds.width, bounds.height) // 60)
    columns = np.linspace(max(0, bounds.width - width - margin), min(margin, bounds.width - width), _STEPS)
    rows = np.linspace(min(margin, bounds.height - height), max(0, bounds.height - height - margin), _STEPS)
    return columns.astype(np.intp) & ~1, rows.astype(np.intp) & ~1


def _span(begins: Whole, length: int, scale: float) -> tuple[Whole, Whole]:
    """First and past-the-last sample of the small picture that places of this length touch."""
    return (begins * scale).astype(np.intp), np.ceil((begins + length) * scale).astype(np.intp)


def _sums(integral: NDArray[np.float64], across: tuple[Whole, Whole], down: tuple[Whole, Whole]) -> Sums:
    """Over every place, (columns, rows)."""
    (left, right), (top, bottom) = across, down
    strips = integral[:, right] - integral[:, left]
    return (strips[bottom] - strips[top]).T
