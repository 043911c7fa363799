"""Contact sheets: many small pictures in one PNG, for eyes to judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.atomic import new_file

TILE = 160  # pixels
COLUMNS = 4

Image = NDArray[np.uint8]


def write_pairs(path: Path, pairs: Sequence[tuple[Image, Image, str]]) -> None:
    """Write a PNG with two pictures and a caption for each of `pairs`.

    Raises:
        CannotCreateError: the file cannot be written.
    """
    tiles = [
        np.hstack([_tile(first, caption), _tile(second, ""), _gap()]) for first, second, caption in pairs
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    with new_file(path) as partial:
        partial.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())


def _tile(image: Image, caption: str) -> Image:
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
    scale = TILE / max(colour.shape[:2])
    small = cv2.resize(colour, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE + 16, TILE, 3), np.uint8)
    tile[16 : 16 + small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    cv2.putText(tile, caption, (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (120, 255, 120), 1, cv2.LINE_AA)
    return tile


def _gap() -> Image:
    return np.zeros((TILE + 16, 8, 3), np.uint8)
