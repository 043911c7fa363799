"""The frames of a DICOM clip one after the other, each read when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import DataError
from edge.study.dicom import decoding, eight_bits, frame_count, read_dataset

MAX_SIDE = 8192
_RATE = 25.0  # where the file names none


def rate_of(path: Path) -> float:
    """Pictures a second: Frame Time (0018,1063), else Cine Rate (0018,0040), else 25.

    Raises:
        DataError: no DICOM picture.
    """
    dataset = read_dataset(path, pixels=False)
    with suppress(TypeError, ValueError):
        milliseconds = float(dataset.get("FrameTime") or 0)
        rate = 1000 / milliseconds if milliseconds > 0 else float(dataset.get("CineRate") or 0)
        if 0.1 <= rate <= 240:
            return rate
    return _RATE


def iterate_cine(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame, through palette, colour space and display window; uint8 (H, W) or (H, W, 3) RGB.

    Raises:
        DataError: pixel data that does not fit the header or is damaged, or fewer frames than declared.
        UnavailableError: pydicom or the decoder for its compression is not installed.
    """
    dataset = read_dataset(path, pixels=False)
    from pydicom.pixels.utils import iter_pixels

    declared, count = frame_count(dataset), 0
    if max(int(dataset.Rows), int(dataset.Columns)) > MAX_SIDE:
        raise DataError(
            f"'{path}' declares {dataset.Columns}x{dataset.Rows} pixels; at most {MAX_SIDE} a side"
        )
    with decoding(path):
        for stored in iter_pixels(path):
            yield eight_bits(dataset, np.asarray(stored), path)
            count += 1
    if count < declared:
        raise DataError(f"'{path}' declares {declared} frames and holds {count}. Export it again")
