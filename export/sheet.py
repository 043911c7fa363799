"""Contact sheets: many small pictures in one PNG, for eyes to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.atomic import new_file

TILE = 160  # pixels
COLUMNS = 4
GREEN, RED = (120, 255, 120), (110, 110, 255)  # BGR

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of a pair, uint8 (H, W) or (H, W, 3) RGB, and the words above it."""

    image: Image
    words: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Two pictures to be looked at together; the words of a `grave` pair are red."""

    first: Side
    second: Side
    grave: bool


def write_pairs(path: Path, pairs: Sequence[Beside]) -> None:
    """Write a PNG with all `pairs`.

    Raises:
        CannotCreateError: the file cannot be written.
    """
    tiles = [
        np.hstack([_tile(pair.first, pair.grave), _tile(pair.second, pair.grave), _gap()]) for pair in pairs
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    with new_file(path) as partial:
        partial.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())


def _tile(side: Side, grave: bool) -> Image:
    image = side.image
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
    scale = TILE / max(colour.shape[:2])
    small = cv2.resize(colour, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE + 16, TILE, 3), np.uint8)
    tile[16 : 16 + small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    ink = RED if grave else GREEN
    cv2.putText(tile, side.words, (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, ink, 1, cv2.LINE_AA)
    return tile


def _gap() -> Image:
    return np.zeros((TILE + 16, 8, 3), np.uint8)
