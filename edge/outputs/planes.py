"""A frame as three planes for the encoders, and those planes as a JPEG."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

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
    return encode_planes(as_jfif(frame), quality)


def as_jfif(frame: Frame) -> tuple[Plane, Plane, Plane]:
    """The planes that a JPEG of `frame` is made from: its own, or this thread's until the next call."""
    i420 = as_i420(frame)
    if i420.matrix is Matrix.BT709 or not i420.full_range:
        return _converted(i420)
    luma, blue, red = (np.ascontiguousarray(plane) for plane in i420.planes)
    return luma, blue, red


def encode_planes(planes: tuple[Plane, Plane, Plane], quality: int) -> bytes:
    """A JPEG of contiguous full-range BT.601 planes, chroma halved both ways."""
    import simplejpeg

    return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=quality, fastdct=True))


class _Jfif:
    """A thread's own planes for one size of picture, written anew for every picture."""

    def __init__(self, height: int, width: int):
        self.luma = np.empty((height, width), np.uint8)
        self.chroma = tuple(np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
        self.mask = tuple(np.empty((height // 2, width // 2), np.uint8) for _ in range(2))
        self.coloured = np.s_[0:0, 0:0]  # the part of `chroma` that is not neutral


_local = threading.local()


def _converted(frame: Frame) -> tuple[Plane, Plane, Plane]:
    """Full-range BT.601 planes of an I420 frame, valid until this thread's next call.

    B-mode is grey: of the chroma only the rectangle that has colour is computed.
    """
    luma, blue, red = frame.planes
    kept: _Jfif | None = getattr(_local, "jfif", None)
    if kept is None or kept.luma.shape != luma.shape:
        kept = _local.jfif = _Jfif(*luma.shape)
    luma_scale, chroma_scale = (1.0, 1.0) if frame.full_range else (255.0 / 219.0, 255.0 / 224.0)
    # addWeighted saturates and is faster than a table.
    offset = 0.0 if frame.full_range else -16.0 * luma_scale
    cv2.addWeighted(luma, luma_scale, luma, 0.0, offset, dst=kept.luma)
    for plane in kept.chroma:
        plane[kept.coloured] = 128
    x, y, width, height = _coloured(blue, red, kept.mask)
    part = kept.coloured = np.s_[y : y + height, x : x + width]
    if width:
        b, r = blue[part], red[part]
        matrix = _709_TO_601_CHROMA if frame.matrix is Matrix.BT709 else ((1.0, 0.0), (0.0, 1.0))
        for plane, row in zip(kept.chroma, matrix, strict=True):
            from_b, from_r = (chroma_scale * weight for weight in row)
            plane[part] = cv2.addWeighted(b, from_b, r, from_r, 128.0 * (1.0 - from_b - from_r))
        if frame.matrix is Matrix.BT709:
            whole = np.s_[2 * y : 2 * (y + height), 2 * x : 2 * (x + width)]
            from_b, from_r = (chroma_scale * weight for weight in _709_TO_601_LUMA)
            shift = cv2.addWeighted(b, from_b, r, from_r, -128.0 * (from_b + from_r), dtype=cv2.CV_16S)
            shift = cv2.resize(shift, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
            kept.luma[whole] = cv2.add(kept.luma[whole], shift, dtype=cv2.CV_8U)
    return kept.luma, kept.chroma[0], kept.chroma[1]


def _coloured(blue: Plane, red: Plane, mask: tuple[Plane, ...]) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is not grey in two chroma planes; all 0 where nothing is."""
    for plane, distance in zip((blue, red), mask, strict=True):
        cv2.absdiff(plane, 128.0, dst=distance)  # type: ignore[call-overload]
    cv2.max(mask[0], mask[1], dst=mask[0])
    cv2.threshold(mask[0], 1.0, 255.0, cv2.THRESH_BINARY, dst=mask[0])
    x, y, width, height = cv2.boundingRect(mask[0])
    return x, y, width, height


@lru_cache(maxsize=4)
def _neutral(height: int, width: int) -> Plane:
    return np.full((height, width), 128, np.uint8)
