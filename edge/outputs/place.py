"""Finds the place on the scanner's screen where a panel hides the least."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

_LIT = 24  # grey levels; brighter pixels outside the field are text and controls
_ANATOMY = 100.0  # how much worse it is to hide a pixel of the field than one of the controls
_STEPS = 24  # places tried across and down


def find_place(
    sizes: list[tuple[int, int]], bounds: Roi, field: Roi | None, lit: NDArray[np.uint8]
) -> tuple[int, Roi]:
    """Where to put a panel that may have one of several sizes.

    Args:
        sizes: (width, height) in pixels, the best first; a later one is taken only where it spares anatomy
            that the earlier ones hide.
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
        anatomy[inside] = 1.0
        controls[inside] = 0.0
    hidden_anatomy, hidden_controls = (np.asarray(cv2.integral(m), np.float64) for m in (anatomy, controls))
    best: tuple[float, int, Roi] | None = None
    for index, (width, height) in enumerate(sizes):
        least: tuple[float, float, Roi] | None = None
        for place in _places(bounds, width, height):
            tissue = _sum(hidden_anatomy, place, scale_x, scale_y)
            cost = _ANATOMY * tissue + _sum(hidden_controls, place, scale_x, scale_y)
            if least is None or cost < least[0]:
                least = cost, tissue, place
        if least is not None and (best is None or least[1] < 0.5 * best[0]):
            best = least[1], index, least[2]
    assert best is not None  # a panel always fits: the overlay limits it to the picture
    return best[1], best[2]


def _places(bounds: Roi, width: int, height: int) -> list[Roi]:
    """Even places from the top right to the bottom left, a small margin kept to the border."""
    margin = max(2, min(bounds.width, bounds.height) // 60)
    columns = np.linspace(max(0, bounds.width - width - margin), min(margin, bounds.width - width), _STEPS)
    rows = np.linspace(min(margin, bounds.height - height), max(0, bounds.height - height - margin), _STEPS)
    return [Roi(int(x) & ~1, int(y) & ~1, width, height) for x in columns for y in rows]


def _sum(integral: NDArray[np.float64], place: Roi, scale_x: float, scale_y: float) -> float:
    left, right = int(place.x * scale_x), int(np.ceil(place.right * scale_x))
    top, bottom = int(place.y * scale_y), int(np.ceil(place.bottom * scale_y))
    return float(
        integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
    )
