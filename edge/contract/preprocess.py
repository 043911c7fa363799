"""The only road from a frame to the network's tensor.

Training, calibration, parity, evaluation and the cart call `prepare`; there is no second resize, crop or
normalisation anywhere (the CUDA kernel is held to this one within a grey level). All floating-point work
is inside the graph.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.errors import DataError

PREPROCESSING_ID = "luma-letterbox-area-1"
"""Names what `prepare` does. A bundle made for another id is refused; change it with the arithmetic."""

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
        raise DataError(f"{roi} leaves the frame of {frame.width}x{frame.height} pixels; draw it again")
    if out is None:
        out = np.empty((1, 1, height, width), np.uint8)
    inner = letterbox(roi, width, height)
    canvas = out[0, 0]
    # Area averaging when shrinking keeps speckle statistics and aliases nothing; when enlarging it would
    # copy pixels in blocks, so linear there.
    shrinking = inner.width <= roi.width
    resized = cv2.resize(
        frame.luma(roi),
        (inner.width, inner.height),
        interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR,
    )
    if not frame.full_range:
        resized = cv2.LUT(resized, _EXPAND)
    if inner.width < width or inner.height < height:
        canvas[:] = 0
    canvas[inner.y : inner.bottom, inner.x : inner.right] = resized
    return out


def tensor_hash(tensor: Tensor) -> str:
    """SHA-256 of a tensor's bytes in C order, hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
