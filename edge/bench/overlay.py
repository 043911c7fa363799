"""`sonocart bench overlay`: the overlay on 1080p frames, in turns with a blend of the whole frame."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from edge.bench.aims import Aim
from edge.bench.naive import blend
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.exam.desk import Choices
from edge.exam.evidence import RiskEstimate
from edge.exam.findings import Findings
from edge.exam.heat import HeatMap
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.outputs.overlay import Overlay

WIDTH, HEIGHT = 1920, 1080
AIMS = (Aim("overlay, mean, ms of CPU", 0.0, 0.3), Aim("blend over overlay", 8.0, float("inf")))
_FIELD = Roi(420, 120, 960, 840)
_PERIOD_NS = 40_000_000


def measure_overlay(frames: int, progress: Callable[[float], None]) -> dict[str, float]:
    """CPU time of this thread, milliseconds a frame, as means: letters are drawn for some frames only.

    The figures change with every frame, a lesion is boxed and moves, and each picture is 40 ms after the one
    before. The blend is the naive loop's: a copy of the BGR frame is drawn into and mixed with it; the
    conversions of colour that this needs are not counted.
    """
    cv2.setNumThreads(1)  # otherwise most of the blend's time would be other threads'
    rng = np.random.default_rng(0)
    frame = Frame(
        (
            rng.integers(16, 235, (HEIGHT, WIDTH), np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),
        ),
        PixelFormat.I420,
        0,
        0,
        False,
        Matrix.BT709,
    )
    whole = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    lit = np.zeros((180, 320), np.uint8)
    plain, heated = Overlay(_IDENTITY), Overlay(_IDENTITY)
    activation = rng.random((8, 8), np.float32)
    spent: dict[str, list[float]] = {"overlay": [], "with heat map": [], "blend": []}
    for number in range(frames + 20):
        reading = _reading(number)
        heat = HeatMap(activation, (224, 224), _FIELD, number // 3)
        hot = replace(reading, heat=heat, choices=replace(reading.choices, heatmap=True))
        for name, turn in (
            ("overlay", lambda r=reading: plain.draw(frame, r, lit)),
            ("with heat map", lambda r=hot: heated.draw(frame, r, lit)),
            ("blend", lambda: blend(whole, 0.7)),
        ):
            begin = time.thread_time_ns()
            turn()
            if number >= 20:  # the first ones place the panel and load the font
                spent[name].append((time.thread_time_ns() - begin) / 1e6)
        progress((number + 1) / (frames + 20))
    means = {name: statistics.fmean(values) for name, values in spent.items()}
    return {
        "overlay, mean, ms of CPU": means["overlay"],
        "overlay, median, ms of CPU": statistics.median(spent["overlay"]),
        "overlay with heat map, mean, ms of CPU": means["with heat map"],
        "blend of the whole frame, mean, ms of CPU": means["blend"],
        "blend over overlay": means["blend"] / means["overlay"],
    }


_IDENTITY = Identity("phantom-compact", "a1b2c3d4e5f6", "int8")
_POINT = OperatingPoint(name="balanced", threshold=0.42)


def _reading(number: int) -> Reading:
    at_ns = number * _PERIOD_NS
    risk = 0.6 + 0.1 * np.sin(number / 10)
    return Reading(
        sequence=number,
        captured_ns=at_ns,
        state=State.LIVE,
        estimate=RiskEstimate(risk, risk - 0.1, risk + 0.1, 48, number, at_ns),
        age_ms=30.0 + number % 7,
        rate=25.0,
        dropped=0,
        field=_FIELD,
        region=_FIELD,
        choices=Choices(None, _POINT),
        findings=Findings(lesion=Roi(700 + number % 5, 400, 240, 200), size_mm=(12.3, 10.2)),
    )
