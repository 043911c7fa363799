"""The least that any loop of this design must do: the product is judged by its distance from this.

A copy of the frame out of the decoder's hands, the luma's region to a tensor, the engine, the finished panel
into the frame, a JPEG from planes that have its range already. No decoding, no threads, no decisions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from edge.blit import Sprite, paste
from edge.contract.frame import Frame
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import Preprocessing
from edge.engines.base import Engine
from edge.outputs.planes import as_jfif, encode_planes

STEPS = ("copy", "prepare", "infer", "panel", "jpeg")


class Floor:
    """Goes round a few decoded frames, more than a cache holds. One `step` a frame."""

    def __init__(
        self,
        frames: Sequence[Frame],
        region: Roi,
        preprocessing: Preprocessing,
        engine: Engine,
        panel: Sprite,
        quality: int,
    ):
        """Take I420 `frames`, which are only read; `panel` fits into their top right corner."""
        self._frames = frames
        self._region = preprocessing.crop(region, frames[0].bounds)
        self._preprocessing = preprocessing
        self._engine = engine
        self._panel = panel
        self._quality = quality
        self._ready = [tuple(plane.copy() for plane in as_jfif(frame)) for frame in frames]
        self._copy = tuple(np.empty(plane.shape, np.uint8) for plane in frames[0].planes)
        self._tensor = np.empty((1, 1, preprocessing.height, preprocessing.width), np.uint8)
        self._number = 0
        self.wall_ms: dict[str, list[float]] = {step: [] for step in STEPS}
        self.cpu_ms: dict[str, list[float]] = {step: [] for step in STEPS}

    def step(self) -> bytes:
        """One frame, each part timed."""
        source = self._frames[self._number % len(self._frames)]
        self._number += 1
        walls, cpus = [time.perf_counter_ns()], [time.process_time_ns()]

        def mark() -> None:
            walls.append(time.perf_counter_ns())
            cpus.append(time.process_time_ns())

        for target, plane in zip(self._copy, source.planes, strict=True):
            np.copyto(target, plane)
        mark()
        frame = Frame(self._copy, source.format, self._number, 0, source.full_range, source.matrix)
        size = self._preprocessing
        prepare(frame, self._region, size.width, size.height, out=self._tensor)
        mark()
        self._engine.infer(self._tensor)
        mark()
        paste(frame, self._panel, (frame.width - self._panel.planes[0].shape[1]) & ~1, 0)
        mark()
        luma, blue, red = self._ready[self._number % len(self._ready)]
        jpeg = encode_planes((luma, blue, red), self._quality)
        mark()
        for k, step in enumerate(STEPS):
            self.wall_ms[step].append((walls[k + 1] - walls[k]) / 1e6)
            self.cpu_ms[step].append((cpus[k + 1] - cpus[k]) / 1e6)
        return jpeg
