"""Finds images whose thumbnails look alike: copies, re-compressions, and neighbouring frames of one sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.glance import Image
from export.pairs import Pair

THRESHOLD = 0.93  # correlation; on BUSI 115 of the 117 pairs above it are copies or frames of one sweep
SURE = 0.97
"""Above which pictures of two patients are copies; no such pair of 984 phantom pictures reaches 0.96."""
BLOCK = 1024  # images that are compared with as many others at once, in 30 MB


def find_look_alikes(thumbnails: Sequence[Image], patients: Sequence[str | None]) -> list[Pair]:
    """All pairs whose thumbnails correlate, mirrored or not.

    Args:
        thumbnails: uint8 (48, 48), one an image.
        patients: of each; pictures of two patients that are known to differ must be surely the same.
    """
    stack, pairs = np.stack(thumbnails), []
    for start in range(0, len(stack), BLOCK):
        block = stack[start : start + BLOCK]
        straight, mirrored = _unit(block), _unit(block[:, :, ::-1])
        for behind in range(start, len(stack), BLOCK):
            others = _unit(stack[behind : behind + BLOCK]).T
            plain, mirror = straight @ others, mirrored @ others
            either = np.maximum(plain, mirror)
            for i, j in np.argwhere(np.triu(either > THRESHOLD, k=1 + start - behind)):
                one, other = start + int(i), behind + int(j)
                if either[i, j] > SURE or _may_be_one(patients[one], patients[other]):
                    how = bool(mirror[i, j] > plain[i, j])
                    pairs.append(Pair(one, other, float(either[i, j]), how, "thumbnail"))
    return pairs


def _may_be_one(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _unit(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat
