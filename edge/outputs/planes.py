"""A frame as three planes for the encoders, and those planes as a JPEG."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane
from edge.jfif import Planes, write_jfif

_local = threading.local()


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


def as_jfif(frame: Frame) -> Planes:
    """The planes that a JPEG of `frame` is made from: its own, or this thread's until the next call."""
    i420 = as_i420(frame)
    if i420.full_range and i420.matrix is Matrix.BT601:
        luma, blue, red = (np.ascontiguousarray(plane) for plane in i420.planes)
        return luma, blue, red
    luma, blue, red = i420.planes
    kept: Planes | None = getattr(_local, "planes", None)
    if kept is None or kept[0].shape != luma.shape:
        fresh = [np.empty(plane.shape, np.uint8) for plane in i420.planes]
        kept = _local.planes = (fresh[0], fresh[1], fresh[2])
    write_jfif((luma, blue, red), i420.full_range, i420.matrix, kept)
    return kept


def encode_planes(planes: Planes, quality: int) -> bytes:
    """A JPEG of contiguous full-range BT.601 planes, chroma halved both ways."""
    import simplejpeg

    return bytes(simplejpeg.encode_jpeg_yuv_planes(*planes, quality=quality, fastdct=True))


@lru_cache(maxsize=4)
def _neutral(height: int, width: int) -> Plane:
    return np.full((height, width), 128, np.uint8)
