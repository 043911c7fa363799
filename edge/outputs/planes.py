"""A frame as three planes for the encoders, and those planes as a JPEG."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane

# BT.709 luma and colour differences to those of BT.601, from the two sets of Kr and Kb.
_709_TO_601_CHROMA = ((0.9900, -0.1107), (-0.0725, 0.9834))
_709_TO_601_LUMA = (0.1016, 0.1961)


def as_i420(frame: Frame) -> Frame:
    """The same picture as I420: `frame` itself, or planes that are views of its own as far as possible.

    Odd columns and rows at the right and bottom are left out. RGB becomes limited-range BT.601.
    """
    height, width = frame.height & ~1, frame.width & ~1
    planes, full_range, matrix = frame.planes, frame.full_range, frame.matrix
    if frame.format is PixelFormat.NV12:
        planes = (planes[0], planes[1][..., 0], planes[1][..., 1])
    elif frame.format is PixelFormat.GRAY8:
        planes = (planes[0], *(_neutral(height // 2, width // 2),) * 2)
    elif frame.format is PixelFormat.YUYV:
        chroma = planes[0][0::2, :, 1]
        planes = (planes[0][..., 0], chroma[:, 0::2], chroma[:, 1::2])
    elif frame.format in (PixelFormat.BGR24, PixelFormat.RGB24):
        code = cv2.COLOR_BGR2YUV_I420 if frame.format is PixelFormat.BGR24 else cv2.COLOR_RGB2YUV_I420
        packed = np.asarray(cv2.cvtColor(np.ascontiguousarray(planes[0][:height, :width]), code), np.uint8)
        luma, chroma = packed[:height], packed[height:].reshape(2, height // 2, width // 2)
        planes, full_range, matrix = (luma, chroma[0], chroma[1]), False, Matrix.BT601
    planes = (
        planes[0][:height, :width],
        planes[1][: height // 2, : width // 2],
        planes[2][: height // 2, : width // 2],
    )
    return replace(frame, planes=planes, format=PixelFormat.I420, full_range=full_range, matrix=matrix)


def as_jpeg(frame: Frame, quality: int) -> bytes:
    """A JPEG of `frame`. JPEG means full-range BT.601 (JFIF 1.02), whatever the frame has."""
    import simplejpeg

    i420 = as_i420(frame)
    luma, blue, red = i420.planes
    if i420.matrix is Matrix.BT709:
        luma, blue, red = _to_601(luma, blue, red)
    if not i420.full_range:
        luma = _stretched(luma, 16.0, 219.0)
        blue, red = (_stretched(plane, 128.0, 224.0) for plane in (blue, red))
    contiguous = [np.ascontiguousarray(plane) for plane in (luma, blue, red)]
    return bytes(simplejpeg.encode_jpeg_yuv_planes(*contiguous, quality=quality, fastdct=True))


def _to_601(luma: Plane, blue: Plane, red: Plane) -> tuple[Plane, Plane, Plane]:
    """Planes of BT.709 as BT.601, range kept. B-mode is grey: only the rectangle with colour is computed."""
    rows, columns = (np.flatnonzero(_coloured(blue, axis) | _coloured(red, axis)) for axis in (1, 0))
    if not len(rows):
        return luma, blue, red
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    part = np.s_[top:bottom, left:right]
    whole = np.s_[2 * top : 2 * bottom, 2 * left : 2 * right]
    (bb, br), (rb, rr) = _709_TO_601_CHROMA
    yb, yr = _709_TO_601_LUMA
    b, r = blue[part], red[part]
    luma, blue, red = luma.copy(), blue.copy(), red.copy()
    blue[part] = cv2.addWeighted(b, bb, r, br, 128.0 * (1.0 - bb - br))
    red[part] = cv2.addWeighted(b, rb, r, rr, 128.0 * (1.0 - rb - rr))
    shift = cv2.addWeighted(b, yb, r, yr, -128.0 * (yb + yr), dtype=cv2.CV_16S)
    shift = cv2.resize(shift, (2 * (right - left), 2 * (bottom - top)), interpolation=cv2.INTER_NEAREST)
    luma[whole] = cv2.add(luma[whole], shift, dtype=cv2.CV_8U)
    return luma, blue, red


def _stretched(plane: Plane, origin: float, span: float) -> Plane:
    """Limited-range samples as full-range ones; `origin` becomes 0 (luma) or stays 128 (chroma)."""
    scale = 255.0 / span
    target = 0.0 if origin == 16.0 else origin
    # addWeighted saturates and is three times as fast as a table.
    return np.asarray(cv2.addWeighted(plane, scale, plane, 0.0, target - origin * scale), np.uint8)


def _coloured(plane: Plane, axis: int) -> NDArray[np.bool_]:
    """Which rows (axis 1) or columns (axis 0) of a chroma plane have a sample that is not grey."""
    return np.asarray((plane.max(axis) > 129) | (plane.min(axis) < 127))


@lru_cache(maxsize=4)
def _neutral(height: int, width: int) -> Plane:
    return np.full((height, width), 128, np.uint8)
