"""A still image played as a scanner with a probe held still would show it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.contract.frame import Frame, Plane, still
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.clock import LiveClock
from edge.study.images import read_image

PICTURES = 30
RATE = 25.0
_NOISY = 0.25  # share of the pixels that change by one grey level from picture to picture


def held_still(image: Plane) -> Iterator[Plane]:
    """The image over and over, uint8 (H, W) or (H, W, 3), each time the caller's.

    Pictures without any change are a frozen scanner's and rightly refused; so a quarter of the pixels goes up
    or down by one grey level, as the last bit of any converter does. The noise is the same in each run.
    """
    rng = np.random.default_rng(0)
    while True:
        draw = rng.random(image.shape[:2], np.float32)
        step = (draw < _NOISY / 2).astype(np.int16) - (draw > 1 - _NOISY / 2)
        step = step if image.ndim == 2 else step[..., None]
        yield np.clip(image + step, 0, 255).astype(np.uint8)


class StillSource:
    """One image: `PICTURES` times as fast as it is taken, or, live, until it is closed."""

    def __init__(self, path: Path, index: int = 0, pace: Pace = Pace.MAX):
        """Read picture `index` of the image.

        Raises:
            NoInputError, DataError: see `read_image`.
        """
        image = read_image(path, index)
        height, width = image.shape[:2]
        self._info = SourceInfo(path.name, width, height, RATE)
        self._pictures = held_still(image)
        self._sequence = 0
        self._closed = threading.Event()
        self._clock = LiveClock(self._closed) if pace is Pace.LIVE else None

    @property
    def info(self) -> SourceInfo:
        """Of the image."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        captured_ns = int(sequence * 1e9 / RATE)
        if self._clock is not None:
            captured_ns = self._clock.wait(captured_ns)
        if self._closed.is_set() or (self._clock is None and sequence >= PICTURES):
            raise SourceEnded
        return still(next(self._pictures), sequence=sequence, captured_ns=captured_ns)

    def close(self) -> None:
        """End a waiting `read`."""
        self._closed.set()
