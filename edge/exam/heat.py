"""The class activation over the part of the picture that the network saw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.preprocess import letterbox
from edge.contract.roi import Roi


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Where the network found what it found.

    Attributes:
        activation: float32 (h, w), 0 to 1, over `area` alone; 0.5 speaks for neither class. Read-only.
        area: of the picture.
        sequence: of the picture that it was computed from.
    """

    activation: NDArray[np.float32]
    area: Roi
    sequence: int


def heat_over(activation: NDArray[np.float32], area: Roi, size: tuple[int, int], sequence: int) -> HeatMap:
    """Cut the activation of a whole tensor of `size` (width, height) down to the picture's part of it."""
    width, height = size
    inner = letterbox(area, width, height)
    whole = cv2.resize(activation, (width, height), interpolation=cv2.INTER_LINEAR)
    part = whole[inner.y : inner.bottom, inner.x : inner.right]
    return HeatMap(np.asarray(part, np.float32), area, sequence)
