"""The cart's loop: every frame is looked at, analysed if the network is free, drawn into and presented.

In LIVE pace the loop never waits for the network: it draws the newest risk with its age, and makes the next
tensor once the picture is presented. In MAX pace, for files, every frame gets its own risk, nothing is
dropped, and time is the clip's own: a run can be repeated.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from edge.blackbox.box import BlackBox
from edge.collector import calm_collector
from edge.contract.frame import Frame, Plane
from edge.contract.roi import Roi
from edge.contract.spec import Preprocessing
from edge.engines.worker import Answer, EngineWorker, Job
from edge.exam.desk import Choices, Desk
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.examination import NEW_CASE, Examination
from edge.exam.findings import NOTHING
from edge.exam.reading import Identity, Reading
from edge.heat import Thermometer
from edge.outputs.overlay import Overlay
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.timing import Timing
from edge.urgency import short_turns, urgent

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
    rank: int | None = None  # of the loop's thread, see `edge.urgency`


def run_loop(parts: Parts) -> int:
    """Present every frame until the source ends or `stop` is set; returns how many were presented."""
    cv2.setNumThreads(1)  # idle workers of OpenCV's wait busily, for longer than they have helped
    with calm_collector(parts.timing), short_turns(), urgent(parts.rank):
        return _present_all(parts)


def _present_all(parts: Parts) -> int:
    timing, examination = parts.timing, parts.examination
    overlay, rate, presented = Overlay(parts.identity), _Rate(), 0
    network = _Network(parts)
    reading = _unseen(parts)
    while not parts.stop.is_set():
        frame = parts.capture.frames.take(PATIENCE_S)
        if frame is None:
            if parts.capture.frames.closed:
                break
            if network.answered():
                network.ask()
                continue
            outage = parts.capture.outage
            if outage is not None:
                examination.signal.lose(outage)
            if parts.pace is Pace.LIVE:
                examination.signal.silence(time.monotonic_ns())
                _note(parts, reading, network, rate)
            continue
        with timing.stage("frame"):
            choices = parts.desk.choices
            with timing.stage("look"):
                examination.look(frame, _now(parts, frame), choices.roi, choices.lesion, choices.case)
            network.look(frame)
            reading = _read(parts, frame, choices, rate)
            with timing.stage("draw"):
                under = overlay.draw(frame, reading, examination.finder.lit)
            reading = replace(reading, under=under, panel=overlay.place)
            with timing.stage("present"):
                for output in parts.outputs:
                    output.present(frame, reading)
            network.ask()
            presented += 1
    if not parts.stop.is_set():  # else the source goes on, and it is only this run that ends
        examination.signal.end()
        _note(parts, reading, network, rate)
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


class _Network:
    """The loop's side of the network: one question at a time, about the newest picture.

    In MAX pace it is asked before the picture is drawn, and waited for. In LIVE pace the picture goes first:
    the region is copied, which takes a tenth of the time that a tensor does, and the network asked about it
    when the picture is presented or, if it is not free by then, as soon as it has answered.
    """

    def __init__(self, parts: Parts):
        self._parts = parts
        self._tensor = np.empty((1, 1, parts.preprocessing.height, parts.preprocessing.width), np.uint8)
        self._kept = np.empty(0, np.uint8)
        self._question: _Question | None = None
        self._rung = False
        if parts.pace is Pace.LIVE:
            parts.worker.listen(self._ring)

    def look(self, frame: Frame) -> None:
        """Collect the answer; take from `frame`, before it is drawn into, what is to be asked about it."""
        self.collect()
        self._question = None
        parts, region = self._parts, self._parts.examination.region
        if region is None or not parts.examination.analysable or parts.worker.paused is not None:
            return
        crop = parts.preprocessing.crop(region, frame.bounds)
        part = frame.part(crop)
        if parts.pace is Pace.LIVE:
            part = replace(part, planes=(self._keep(part.planes[0]),))
        self._question = _Question(part, crop, (frame.width, frame.height))
        if parts.pace is Pace.MAX:
            self.ask()
            self._question = None  # what is drawn into the picture would be in it from here on
            with parts.timing.stage("wait"):
                self._take(parts.worker.wait())

    def ask(self) -> None:
        """Give the network its question, if there is one and it is free."""
        parts, question, size = self._parts, self._question, self._parts.preprocessing
        if question is None or not parts.worker.idle:
            return
        meter = _thermometer(parts)
        if meter is not None and not meter.due(_now(parts, question.part)):
            return
        self._question = None
        part = question.part
        with parts.timing.stage("prepare"):
            prepared = parts.worker.prepare(part, part.bounds, self._tensor)
        parts.examination.aim(question.crop, (size.width, size.height))
        if prepared is not None:
            parts.examination.ask(prepared)
        if parts.box is not None:
            parts.box.ask(part, question.crop, question.size, prepared, parts.desk.choices.point)
        parts.worker.submit(Job(prepared, part.sequence, part.captured_ns))

    def answered(self) -> bool:
        """True once after each answer, which is collected; it has ended a waiting for the next picture."""
        rung, self._rung = self._rung, False
        if rung:
            self.collect()
        return rung

    def collect(self) -> None:
        """Let the answer count, if there is one."""
        self._take(self._parts.worker.poll())

    def _take(self, answer: Answer | None) -> None:
        examination, box = self._parts.examination, self._parts.box
        before = examination.evidence.sums
        examination.take(answer)
        if box is not None and answer is not None and examination.asked is not None:
            box.answer(answer, examination.asked.quality, before, examination.evidence.sums)

    def _ring(self) -> None:
        """Called by the network's thread."""
        self._rung = True
        self._parts.capture.frames.wake()

    def _keep(self, plane: Plane) -> Plane:
        """A copy, which lasts until the next one."""
        if self._kept.size < plane.size:
            self._kept = np.empty(plane.size, np.uint8)
        kept = self._kept[: plane.size].reshape(plane.shape)
        np.copyto(kept, plane)
        return kept


@dataclass(frozen=True, slots=True)
class _Question:
    """`part` is the region `crop` of a picture of `size` pixels across and down."""

    part: Frame
    crop: Roi
    size: tuple[int, int]


def _read(parts: Parts, frame: Frame, choices: Choices, rate: _Rate) -> Reading:
    """What is said about this frame now."""
    examination, now_ns = parts.examination, _now(parts, frame)
    slowed, celsius = _warmth(parts)
    estimate = examination.estimate(now_ns, parts.worker.paused)
    age_ms = (now_ns - estimate.captured_ns) / 1e6 if isinstance(estimate, RiskEstimate) else None
    return Reading(
        sequence=frame.sequence,
        captured_ns=frame.captured_ns,
        state=examination.state,
        estimate=estimate,
        age_ms=age_ms,
        rate=rate.count(now_ns, fresh=examination.signal.fresh),
        dropped=parts.capture.frames.dropped,
        torn=examination.signal.tearing.count,
        field=examination.finder.field,
        region=examination.region,
        choices=choices,
        findings=examination.findings(estimate, choices.point.threshold),
        heat=examination.heat,
        covered=examination.covered,
        slowed=slowed,
        celsius=celsius,
    )


def _note(parts: Parts, last: Reading, network: _Network, rate: _Rate) -> None:
    """No picture came: tell whoever can be told without one."""
    now_ns = time.monotonic_ns()
    examination = parts.examination
    network.collect()
    estimate = examination.estimate(now_ns, parts.worker.paused)
    age_ms = (now_ns - estimate.captured_ns) / 1e6 if isinstance(estimate, RiskEstimate) else None
    choices = parts.desk.choices  # whoever hides the risk hides it now, not with the next picture
    slowed, celsius = _warmth(parts)
    silent = replace(
        last,
        state=examination.state,
        estimate=estimate,
        age_ms=age_ms,
        rate=rate.at(now_ns),
        choices=choices,
        slowed=slowed,
        celsius=celsius,
    )
    if choices.case != last.choices.case:  # what was seen of another patient says nothing of this one
        nothing = NoEstimate(examination.signal.reason(now_ns) or NEW_CASE)
        silent = replace(silent, estimate=nothing, age_ms=None, findings=NOTHING, heat=None)
    for output in parts.outputs:
        output.note(silent)


def _thermometer(parts: Parts) -> Thermometer | None:
    """Whom a live network asks; a file's takes the time that it needs, and the same risks each time."""
    return parts.thermometer if parts.pace is Pace.LIVE else None


def _warmth(parts: Parts) -> tuple[str, float | None]:
    """What the heat has slowed, and how many degrees Celsius the cart has."""
    meter = _thermometer(parts)
    return ("", None) if meter is None else (meter.level.value, meter.celsius)


def _now(parts: Parts, frame: Frame) -> int:
    """The clock that ages are measured with."""
    return frame.captured_ns if parts.pace is Pace.MAX else time.monotonic_ns()


class _Rate:
    """Pictures presented during the last second, but those that only repeat the one before."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def count(self, now_ns: int, *, fresh: bool) -> float:
        if fresh or not self._times:
            self._times.append(now_ns)
        return self.at(now_ns)

    def at(self, now_ns: int) -> float:
        """Where no picture has come now."""
        if not self._times:
            return 0.0
        while len(self._times) > 1 and now_ns - self._times[0] > _SECOND_NS:
            self._times.popleft()
        span = now_ns - self._times[0]
        return (len(self._times) - 1) * _SECOND_NS / span if span > 0 else 0.0
