"""I420 planes as JPEG wants them, full range and BT.601 (JFIF 1.02): the kit's frames have these too."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from edge.contract.frame import Matrix, Plane

Planes = tuple[Plane, Plane, Plane]

# BT.709 luma and colour differences to those of BT.601, from the two sets of Kr and Kb.
_709_TO_601_CHROMA = ((0.9900, -0.1107), (-0.0725, 0.9834))
_709_TO_601_LUMA = (0.1016, 0.1961)
_NEUTRAL = 128
_local = threading.local()


def write_jfif(planes: Planes, full_range: bool, matrix: Matrix, out: Planes) -> None:
    """Write the same picture in full range and BT.601.

    B-mode is grey: of the chroma only the rectangle that has colour is computed. Stretching the luma costs no
    more than copying it.

    Args:
        planes: uint8 (h, w), (h/2, w/2), (h/2, w/2), only read.
        full_range: True if luma uses 0..255, False for 16..235.
        matrix: of `planes`.
        out: of the same shapes, overwritten; not the memory of `planes`.
    """
    luma, *chroma = planes
    luma_scale, chroma_scale = (1.0, 1.0) if full_range else (255.0 / 219.0, 255.0 / 224.0)
    if full_range:
        np.copyto(out[0], luma)
    else:  # addWeighted saturates, and is faster than a table
        cv2.addWeighted(luma, luma_scale, luma, 0.0, -16.0 * luma_scale, dst=out[0])
    for plane in out[1:]:
        plane.fill(_NEUTRAL)
    x, y, width, height = _coloured(*chroma)
    if not width:
        return
    part = np.s_[y : y + height, x : x + width]
    blue, red = (plane[part] for plane in chroma)
    rows = _709_TO_601_CHROMA if matrix is Matrix.BT709 else ((1.0, 0.0), (0.0, 1.0))
    for plane, row in zip(out[1:], rows, strict=True):
        from_b, from_r = (chroma_scale * weight for weight in row)
        plane[part] = cv2.addWeighted(blue, from_b, red, from_r, _NEUTRAL * (1.0 - from_b - from_r))
    if matrix is Matrix.BT709:
        whole = np.s_[2 * y : 2 * (y + height), 2 * x : 2 * (x + width)]
        from_b, from_r = (chroma_scale * weight for weight in _709_TO_601_LUMA)
        shift = cv2.addWeighted(blue, from_b, red, from_r, -_NEUTRAL * (from_b + from_r), dtype=cv2.CV_16S)
        target = out[0][whole]
        shift = cv2.resize(shift, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
        target[:] = cv2.add(target, shift[: target.shape[0], : target.shape[1]], dtype=cv2.CV_8U)


def _coloured(blue: Plane, red: Plane) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is not grey in two chroma planes; all 0 where nothing is."""
    if all(_grey(plane) for plane in (blue, red)):
        return 0, 0, 0, 0
    kept: tuple[Plane, Plane] | None = getattr(_local, "distances", None)
    if kept is None or kept[0].shape != blue.shape:
        kept = _local.distances = (np.empty(blue.shape, np.uint8), np.empty(blue.shape, np.uint8))
    for plane, distance in zip((blue, red), kept, strict=True):
        cv2.absdiff(plane, float(_NEUTRAL), dst=distance)  # type: ignore[call-overload]
    cv2.max(kept[0], kept[1], dst=kept[0])
    cv2.threshold(kept[0], 1.0, 255.0, cv2.THRESH_BINARY, dst=kept[0])
    x, y, width, height = cv2.boundingRect(kept[0])
    return x, y, width, height


def _grey(plane: Plane) -> bool:
    """True if no sample is more than one level from neutral, which is what encoders leave of grey."""
    least, most, _, _ = cv2.minMaxLoc(plane)
    return least >= _NEUTRAL - 1 and most <= _NEUTRAL + 1
