"""A frame without what lies outside the ultrasound field: scanners write the patient's name there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.contract.frame import Frame, PixelFormat, Plane
from edge.contract.roi import Roi


def masked(frame: Frame, kept: Sequence[Roi]) -> Frame:
    """A copy of `frame`, in its own format, that is black outside `kept`.

    Regions shrink to even pixels, so that no chroma is shared with what is blacked out.
    """
    planes = tuple(np.empty_like(plane) for plane in frame.planes)
    for index, plane in enumerate(planes):
        _blacken(plane, frame, index)
    for roi in kept:
        left, top = (roi.x + 1) & ~1, (roi.y + 1) & ~1
        right, bottom = roi.right & ~1, roi.bottom & ~1
        for index, (plane, source) in enumerate(zip(planes, frame.planes, strict=True)):
            half = 2 if index else 1
            part = np.s_[top // half : bottom // half, left // half : right // half]
            plane[part] = source[part]
    return replace(frame, planes=planes)


def _blacken(plane: Plane, frame: Frame, index: int) -> None:
    rgb = frame.format in (PixelFormat.BGR24, PixelFormat.RGB24)
    plane[:] = 128 if index else 0 if rgb or frame.full_range else 16
    if frame.format is PixelFormat.YUYV:
        plane[..., 1] = 128
