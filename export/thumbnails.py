"""Finds images whose thumbnails look alike: copies, re-compressions, and neighbouring frames of one sweep."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from export.pairs import Pair

SIDE = 48  # pixels: small enough to forgive compression and text, large enough to tell lesions
THRESHOLD = 0.93  # correlation; on BUSI 115 of the 117 pairs above it are copies or frames of one sweep


def find_look_alikes(images: list[NDArray[np.uint8]]) -> list[Pair]:
    """All pairs of uint8 (H, W) or (H, W, 3) whose thumbnails correlate, mirrored or not."""
    thumbnails = np.stack([_thumbnail(image) for image in images])
    straight = _unit(thumbnails) @ _unit(thumbnails).T
    mirror = _unit(thumbnails) @ _unit(thumbnails[:, :, ::-1]).T
    either = np.maximum(straight, mirror)
    return [
        Pair(int(i), int(j), float(either[i, j]), bool(mirror[i, j] > straight[i, j]), "thumbnail")
        for i, j in zip(*np.nonzero(np.triu(either > THRESHOLD, k=1)), strict=True)
    ]


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def _unit(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1)
    flat = flat - flat.mean(1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norms, 1e-6), np.float32)
