"""One picture of a source, in the source's own pixel format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi

Plane = NDArray[np.uint8]


class PixelFormat(Enum):
    """Memory layout of `Frame.planes`. Heights and widths are in pixels of that plane.

    GRAY8  (H, W)
    I420   (H, W), (H/2, W/2) U, (H/2, W/2) V
    NV12   (H, W), (H/2, W/2, 2) UV
    YUYV   (H, W, 2): luma in [..., 0], U and V alternating in [..., 1]
    BGR24  (H, W, 3)
    RGB24  (H, W, 3)
    """

    GRAY8 = "GRAY8"
    I420 = "I420"
    NV12 = "NV12"
    YUYV = "YUYV"
    BGR24 = "BGR24"
    RGB24 = "RGB24"


class Matrix(Enum):
    """Which coefficients turn RGB into luma and chroma."""

    BT601 = "BT601"
    BT709 = "BT709"


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with its identity.

    Attributes:
        planes: views of the source's memory, uint8, shapes as in `PixelFormat`. They belong to the source;
            whoever holds the frame may write into them (the overlay does) until it lets the frame go.
        format: layout of `planes`.
        sequence: the source's running number; a gap means dropped frames.
        captured_ns: CLOCK_MONOTONIC in nanoseconds when the picture was captured.
        full_range: True if luma uses 0..255, False for 16..235 ("video", "limited").
        matrix: coefficients that the chroma planes were made with.
    """

    planes: tuple[Plane, ...]
    format: PixelFormat
    sequence: int
    captured_ns: int
    full_range: bool
    matrix: Matrix

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.planes[0].shape[0])

    @property
    def bounds(self) -> Roi:
        """The rectangle of the whole picture."""
        return Roi(0, 0, self.width, self.height)

    def luma(self, roi: Roi) -> Plane:
        """The luma of `roi`, uint8 (roi.height, roi.width), range as `full_range` says.

        A view for planar formats; a copy of the rectangle alone for YUYV, BGR24 and RGB24.

        Args:
            roi: must lie inside `bounds`.
        """
        part = self.planes[0][roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
        if self.format is PixelFormat.YUYV:
            return np.ascontiguousarray(part[..., 0])
        if self.format is PixelFormat.BGR24:
            return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.uint8)
        if self.format is PixelFormat.RGB24:
            return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8)
        return part

    def part(self, roi: Roi) -> Frame:
        """The region `roi`, inside `bounds`, as a frame of its own, of which luma is all that may be asked.

        Its one plane is a view of the first, whatever the format.
        """
        plane = self.planes[0][roi.y : roi.bottom, roi.x : roi.right]
        return replace(self, planes=(plane,))


def with_chroma(frame: Frame) -> Frame:
    """A grey frame as I420, so that what is drawn into it can have colours; any other as it is.

    The luma is the same memory, the neutral chroma new. I420 has no odd sizes: such a frame stays grey.
    """
    luma = frame.planes[0]
    if frame.format is not PixelFormat.GRAY8 or luma.shape[0] % 2 or luma.shape[1] % 2:
        return frame
    chroma = (np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8) for _ in range(2))
    return replace(frame, planes=(luma, *chroma), format=PixelFormat.I420)


def still(image: Plane, *, sequence: int = 0, captured_ns: int = 0) -> Frame:
    """A frame from a still image: uint8 (H, W) grey or (H, W, 3) RGB, full range. Keeps a view of `image`.

    Luma of RGB follows BT.601 (0.299 R + 0.587 G + 0.114 B), as JPEG and DICOM YBR_FULL do.
    """
    pixel_format = PixelFormat.GRAY8 if image.ndim == 2 else PixelFormat.RGB24
    return Frame((image,), pixel_format, sequence, captured_ns, full_range=True, matrix=Matrix.BT601)
