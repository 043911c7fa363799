"""Blacking out everything of a picture but what holds no patient text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.errors import DataError


def keep_only(image: NDArray[np.uint8], regions: Sequence[Roi]) -> NDArray[np.uint8]:
    """A copy of `image`, uint8 (H, W) or (H, W, 3), that is 0 outside `regions`.

    Raises:
        DataError: a region leaves the picture; a mask drawn for another picture would show the wrong part.
    """
    kept = np.zeros_like(image)
    height, width = image.shape[:2]
    for roi in regions:
        if not roi.inside(Roi(0, 0, width, height)):
            raise DataError(f"region {roi} leaves the picture of {width}x{height} pixels; draw it again")
        part = np.s_[roi.y : roi.bottom, roi.x : roi.right]
        kept[part] = image[part]
    return kept
