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
        whole: float32 (h, w), 0 to 1, over the whole tensor; 0.5 speaks for neither class. Read-only.
        size: width and height of the tensor.
        area: of the picture, which lies in the tensor as `letterbox` puts it.
        sequence: of the picture that it was computed from.
    """

    whole: NDArray[np.float32]
    size: tuple[int, int]
    area: Roi
    sequence: int

    @property
    def activation(self) -> NDArray[np.float32]:
        """float32 (h, w) over `area` alone, in the tensor's pixels; made for whoever draws it."""
        inner = letterbox(self.area, *self.size)
        whole = cv2.resize(self.whole, self.size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole[inner.y : inner.bottom, inner.x : inner.right], np.float32)
