"""The only road from a frame to the network's tensor.

Training, calibration, parity, evaluation and the cart call `prepare`; there is no second resize, crop or
normalisation anywhere (the CUDA kernel is held to this one within a grey level). All floating-point work
is inside the graph.
"""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.errors import DataError

Tensor = NDArray[np.uint8]

_EXPAND = np.clip(np.rint((np.arange(256, dtype=np.float64) - 16.0) * 255.0 / 219.0), 0, 255).astype(np.uint8)
"""Limited-range luma (16..235) to full range, ITU-R BT.601 section 2.5.3."""


def letterbox(roi: Roi, width: int, height: int) -> Roi:
    """Where a region of `roi`'s shape lands in a `width` x `height` tensor: aspect kept, centred."""
    scale = min(width / roi.width, height / roi.height)
    inner_width = max(1, round(roi.width * scale))
    inner_height = max(1, round(roi.height * scale))
    return Roi((width - inner_width) // 2, (height - inner_height) // 2, inner_width, inner_height)


def prepare(frame: Frame, roi: Roi, width: int, height: int, out: Tensor | None = None) -> Tensor:
    """Luma of `roi`, aspect kept, area-resized, full range, centred on black.

    Args:
        frame: any pixel format; only `roi` of its luma is read.
        roi: inside the frame; the ultrasound field or the lesion with its surroundings, as the model's
            specification says.
        width: of the tensor, pixels.
        height: of the tensor, pixels.
        out: uint8 (1, 1, height, width) to be overwritten, so that nothing is allocated per frame.

    Returns:
        uint8 (1, 1, height, width): `out`, or a new array that belongs to the caller. 0 is black.

    Raises:
        DataError: `roi` leaves the frame.
    """
    if not roi.inside(frame.bounds):
        raise DataError(
            f"region {roi} leaves the frame of {frame.width}x{frame.height} pixels; draw it again"
        )
    if out is None:
        out = np.empty((1, 1, height, width), np.uint8)
    inner = letterbox(roi, width, height)
    canvas = out[0, 0]
    # Area averaging when shrinking keeps speckle statistics and aliases nothing; when enlarging it would
    # copy pixels in blocks, so linear there.
    shrinking = inner.width <= roi.width
    luma = frame.luma(roi)
    if shrinking:
        resized = shrink(luma, inner.width, inner.height)
    else:
        size = (inner.width, inner.height)
        resized = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    if not frame.full_range:
        resized = expand(resized)
    if inner.width < width or inner.height < height:
        canvas[:] = 0
    canvas[inner.y : inner.bottom, inner.x : inner.right] = resized
    return out


def expand(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Video-range luma (16 to 235) as full range, uint8 of the same shape; the caller's own."""
    return np.asarray(cv2.LUT(luma, _EXPAND), np.uint8)


def shrink(luma: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The mean over each target pixel's area, borders weighted by the part that lies inside.

    The same as OpenCV's INTER_AREA but for the rounding of ties, at a third of its time where the sides are
    no multiples of the target's: a mean is four corners of the integral image (Crow, Summed-area tables for
    texture mapping, 1984), which between pixels is bilinear. Its int32 may wrap round; differences do not.

    Args:
        luma: uint8 (h, w), read only.
        width: at most w.
        height: at most h.

    Returns:
        uint8 (height, width), the caller's.
    """
    rows, columns = luma.shape
    corners, part_y, part_x = _corners(rows, columns, height, width)
    integral = _scratch(rows + 1, columns + 1)
    sums = np.asarray(cv2.integral(luma, integral), np.int32).ravel()

    def strips(shift: int) -> NDArray[np.float32]:
        """Sums of the columns' strips from the top down to the corners' rows. Differences are taken in
        integers first, so that every float32 is exact or nearly so.
        """
        left = sums[shift:].take(corners)
        partial = (sums[shift + 1 :].take(corners) - left).astype(np.float32)
        partial *= part_x
        found = (left[:, 1:] - left[:, :-1]).astype(np.float32)
        found += partial[:, 1:]
        found -= partial[:, :-1]
        return found

    above, below = strips(0), strips(columns + 1)
    below -= above
    below *= part_y
    below += above
    means = below[1:] - below[:-1]
    means *= width * height / (columns * rows)
    return np.asarray(cv2.convertScaleAbs(means), np.uint8)  # rounds to nearest and saturates


_local = threading.local()


def _scratch(rows: int, columns: int) -> NDArray[np.int32]:
    """A thread's own memory for the integral image: the largest thing here, used again frame after frame."""
    kept: NDArray[np.int32] | None = getattr(_local, "integral", None)
    if kept is None or kept.shape != (rows, columns):
        kept = _local.integral = np.empty((rows, columns), np.int32)
    return kept


@lru_cache(maxsize=8)
def _corners(
    rows: int, columns: int, height: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Where in the flat integral image the target's corners lie, (height + 1, width + 1), and the parts of a
    pixel by which they lie further down and right.
    """
    y, part_y = _edges(rows, height)
    x, part_x = _edges(columns, width)
    return y[:, None] * (columns + 1) + x[None, :], part_y[:, None], part_x[None, :]


def _edges(pixels: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    edges = np.arange(target + 1) * (pixels / target)
    whole = np.minimum(edges.astype(np.intp), pixels - 1)
    return whole, (edges - whole).astype(np.float32)


def tensor_hash(tensor: Tensor) -> str:
    """SHA-256 of a tensor's bytes in C order, hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
