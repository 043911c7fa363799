"""Near-duplicates: where patients are not known, these are what a split must not part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from export.crops import find_crops
from export.pairs import Pair
from export.thumbnails import find_look_alikes


def near_duplicates(images: list[NDArray[np.uint8]], progress: Callable[[int], None]) -> list[Pair]:
    """All near-duplicate pairs: whole thumbnails alike, or one picture a part of the other; mirrored or not.

    Args:
        images: uint8 (H, W) grey or (H, W, 3) RGB, any size.
        progress: called with the number of images done, up to twice their number.
    """
    pairs = {(pair.first, pair.second): pair for pair in find_crops(images, progress)}
    for pair in find_look_alikes(images):
        pairs.setdefault((pair.first, pair.second), pair)
    return [pairs[key] for key in sorted(pairs)]
