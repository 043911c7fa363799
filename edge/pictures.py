"""PyAV's pictures seen as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from edge.contract.frame import Plane

if TYPE_CHECKING:
    from av.video.plane import VideoPlane


def rows_of(plane: VideoPlane) -> Plane:
    """A view of a plane's memory, uint8 (height, line size), padding at the rows' ends included.

    It keeps the picture alive and may be written to.
    """
    # PyAV's annotations do not say that a plane is a buffer.
    return np.frombuffer(cast(memoryview, plane), np.uint8).reshape(plane.height, plane.line_size)
