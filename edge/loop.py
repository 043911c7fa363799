"""The cart's loop: every frame is looked at, analysed if the network is free, drawn into and presented.

In LIVE pace the loop never waits for the network: it draws the newest risk with its age. In MAX pace, for
files, every frame gets its own risk, nothing is dropped, and time is the clip's own: a run can be repeated.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from edge.blackbox.box import BlackBox
from edge.collector import calm_collector
from edge.contract.frame import Frame
from edge.contract.preprocess import Tensor
from edge.contract.spec import Preprocessing
from edge.engines.worker import Answer, EngineWorker, Job
from edge.exam.desk import Choices, Desk
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.examination import Examination
from edge.exam.reading import Identity, Reading
from edge.heat import Thermometer
from edge.outputs.overlay import Overlay
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.timing import Timing

PATIENCE_S = 0.1  # how long to wait for a frame before looking at the clock again
_SECOND_NS = 1_000_000_000


class Output(Protocol):
    """Whoever is handed each presented picture; never waits in LIVE pace."""

    def present(self, frame: Frame, reading: Reading) -> None:
        """`frame` carries the overlay; from now on nobody writes to it."""

    def note(self, reading: Reading) -> None:
        """No picture has come for a while, and this is what is said now."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with."""

    capture: Capture
    worker: EngineWorker
    examination: Examination
    preprocessing: Preprocessing
    identity: Identity
    desk: Desk
    outputs: tuple[Output, ...]
    timing: Timing
    pace: Pace
    stop: threading.Event
    box: BlackBox | None = None
    thermometer: Thermometer | None = None


def run_loop(parts: Parts) -> int:
    """Present every frame until the source ends or `stop` is set; returns how many were presented."""
    with calm_collector(parts.timing):
        return _present_all(parts)


def _present_all(parts: Parts) -> int:
    timing, examination = parts.timing, parts.examination
    overlay, rate, presented = Overlay(parts.identity), _Rate(), 0
    tensor = np.empty((1, 1, parts.preprocessing.height, parts.preprocessing.width), np.uint8)
    reading = _unseen(parts)
    while not parts.stop.is_set():
        frame = parts.capture.frames.take(PATIENCE_S)
        if frame is None:
            if parts.capture.frames.closed:
                break
            outage = parts.capture.outage
            if outage is not None:
                examination.signal.lose(outage)
            if parts.pace is Pace.LIVE:
                examination.signal.silence(time.monotonic_ns())
                _note(parts, reading)
            continue
        with timing.stage("frame"):
            choices = parts.desk.choices
            with timing.stage("look"):
                examination.look(frame, _now(parts, frame), choices.roi, choices.lesion, choices.case)
            _analyse(parts, frame, tensor)
            reading = _read(parts, frame, choices, rate)
            with timing.stage("draw"):
                under = overlay.draw(frame, reading, examination.finder.lit)
            reading = replace(reading, under=under, panel=overlay.place)
            with timing.stage("present"):
                for output in parts.outputs:
                    output.present(frame, reading)
            presented += 1
    examination.signal.end()
    _note(parts, reading)
    return presented


def _unseen(parts: Parts) -> Reading:
    """What is said before the first picture."""
    return Reading(
        sequence=-1,
        captured_ns=0,
        state=parts.examination.state,
        estimate=NoEstimate("no signal"),
        age_ms=None,
        rate=0.0,
        dropped=0,
        field=None,
        region=None,
        choices=parts.desk.choices,
    )


def _analyse(parts: Parts, frame: Frame, tensor: Tensor) -> None:
    """Collect the network's answer; give it this frame if it is free and the frame is good."""
    examination, worker = parts.examination, parts.worker
    _take(parts, worker.poll())
    if not worker.idle or not examination.analysable or examination.region is None:
        return
    if parts.thermometer is not None and not parts.thermometer.due(_now(parts, frame)):
        return
    with parts.timing.stage("prepare"):
        size = parts.preprocessing
        crop = size.crop(examination.region, frame.bounds)
        prepared = worker.prepare(frame, crop, tensor)
    examination.aim(crop, (size.width, size.height))
    if prepared is not None:
        examination.ask(prepared)
    if parts.box is not None:
        parts.box.ask(frame, crop, prepared)
    worker.submit(Job(prepared, frame.sequence, frame.captured_ns))
    if parts.pace is Pace.MAX:
        with parts.timing.stage("wait"):
            _take(parts, worker.wait())


def _take(parts: Parts, answer: Answer | None) -> None:
    """Let the network's answer count, and keep what it did."""
    examination = parts.examination
    before = examination.evidence.sums
    examination.take(answer)
    if parts.box is not None and answer is not None and examination.asked is not None:
        parts.box.answer(answer, examination.asked.quality, before, examination.evidence.sums)


def _read(parts: Parts, frame: Frame, choices: Choices, rate: _Rate) -> Reading:
    """What is said about this frame now."""
    examination, now_ns = parts.examination, _now(parts, frame)
    estimate = examination.estimate(now_ns, parts.worker.paused)
    age_ms = (now_ns - estimate.captured_ns) / 1e6 if isinstance(estimate, RiskEstimate) else None
    return Reading(
        sequence=frame.sequence,
        captured_ns=frame.captured_ns,
        state=examination.state,
        estimate=estimate,
        age_ms=age_ms,
        rate=rate.count(now_ns),
        dropped=parts.capture.frames.dropped,
        field=examination.finder.field,
        region=examination.region,
        choices=choices,
        findings=examination.findings(estimate, choices.point.threshold),
        heat=examination.heat,
        slowed="" if parts.thermometer is None else parts.thermometer.level.value,
    )


def _note(parts: Parts, last: Reading) -> None:
    """No picture came: tell whoever can be told without one."""
    now_ns = time.monotonic_ns()
    examination = parts.examination
    _take(parts, parts.worker.poll())
    estimate = examination.estimate(now_ns, parts.worker.paused)
    age_ms = (now_ns - estimate.captured_ns) / 1e6 if isinstance(estimate, RiskEstimate) else None
    choices = parts.desk.choices  # whoever hides the risk hides it now, not with the next picture
    silent = replace(last, state=examination.state, estimate=estimate, age_ms=age_ms, choices=choices)
    for output in parts.outputs:
        output.note(silent)


def _now(parts: Parts, frame: Frame) -> int:
    """The clock that ages are measured with."""
    return frame.captured_ns if parts.pace is Pace.MAX else time.monotonic_ns()


class _Rate:
    """Pictures presented during the last second."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def count(self, now_ns: int) -> float:
        self._times.append(now_ns)
        while now_ns - self._times[0] > _SECOND_NS:
            self._times.popleft()
        span = now_ns - self._times[0]
        return (len(self._times) - 1) * _SECOND_NS / span if span else 0.0
