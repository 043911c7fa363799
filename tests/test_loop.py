"""The picture always passes; the risk is the first thing to go."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.worker import EngineWorker
from edge.errors import DataError
from edge.exam.desk import Choices, Desk
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.examination import Examination
from edge.exam.reading import Identity
from edge.exam.signal import State
from edge.heat import Heat, Thermometer
from edge.loop import Parts, run_loop
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.sources.faults import Fault, FaultySource
from edge.timing import Timing
from tests.clips import i420, tissue
from tests.fakes import FakeEngine, spec

ROI = Roi(32, 12, 64, 72)
IDENTITY = Identity("fake", "0" * 12, "fp32")
POINT = OperatingPoint(name="balanced", threshold=0.5)


class Pictures:
    """A source that plays a list; `gaps` are seconds to wait before a frame."""

    def __init__(self, lumas, *, pace=Pace.MAX, gaps=None, error=None):
        self.info = SourceInfo("pictures", 128, 96, 25.0)
        self.closed = threading.Event()
        self._lumas = lumas
        self._pace = pace
        self._gaps = gaps or {}
        self._error = error
        self._next = 0

    def read(self):
        index = self._next
        self._next += 1
        if self.closed.wait(self._gaps.get(index, 0)):
            raise SourceEnded
        if index == len(self._lumas):
            raise self._error or SourceEnded
        captured = time.monotonic_ns() if self._pace is Pace.LIVE else index * 40_000_000
        return i420(self._lumas[index], sequence=index, captured_ns=captured)

    def close(self):
        self.closed.set()


class Seen:
    """An output that remembers; `stop_at` sets `stop` after so many."""

    def __init__(self):
        self.frames, self.readings, self.notes = [], [], []

    def present(self, frame, reading):
        self.frames.append(frame)
        self.readings.append(reading)

    def note(self, reading):
        self.notes.append(reading)


def play(
    source,
    *,
    engine=FakeEngine,
    pace=Pace.MAX,
    roi=ROI,
    stop=None,
    deadline_s=2.0,
    limit_s=None,
    desk=None,
    outputs=(),
    thermometer=None,
):
    seen, timing = Seen(), Timing()
    worker = EngineWorker(engine, timing, deadline_s=deadline_s)
    worker.wait_ready()
    capture = Capture(source, pace, timing, limit_s=limit_s)
    parts = Parts(
        capture=capture,
        worker=worker,
        examination=Examination("field"),
        preprocessing=spec().preprocessing,
        identity=IDENTITY,
        desk=desk or Desk(spec(), Choices(roi, POINT)),
        outputs=(seen, *outputs),
        timing=timing,
        pace=pace,
        stop=stop or threading.Event(),
        thermometer=thermometer,
    )
    capture.start()
    try:
        presented = run_loop(parts)
    finally:
        capture.close()
        worker.close()
    assert presented == len(seen.readings)
    assert capture.count == presented + capture.frames.dropped
    return seen, parts


def reasons(seen):
    return [getattr(reading.estimate, "reason", None) for reading in seen.readings]


def test_every_frame_of_a_file_gets_its_own_risk():
    seen, parts = play(Pictures([tissue(i) for i in range(20)]))
    assert [r.estimate.sequence for r in seen.readings] == list(range(20))
    assert all(r.age_ms == 0 for r in seen.readings)
    assert parts.examination.risks == 20
    assert parts.capture.frames.dropped == 0


def test_run_over_a_file_can_be_repeated_exactly():
    first, second = (play(Pictures([tissue(i) for i in range(20)]))[0] for _ in range(2))
    assert first.readings == second.readings
    for a, b in zip(first.frames, second.frames, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a.planes, b.planes, strict=True))


def test_network_sees_the_picture_without_the_overlay():
    tensors = []

    def keep(tensor):
        tensors.append(tensor.copy())
        return 0.5

    lumas = [tissue(0), tissue(1)]
    seen, _ = play(Pictures(lumas), engine=lambda: FakeEngine(keep))
    assert not np.array_equal(seen.frames[0].luma(ROI), i420(lumas[0]).luma(ROI))  # the panel covers a part
    assert len(tensors) == 2
    for luma, tensor in zip(lumas, tensors, strict=True):
        assert np.array_equal(tensor, prepare(i420(luma), ROI, 32, 24))


def broken(_):
    raise RuntimeError("CUDA error 700")


@pytest.mark.parametrize(
    ("risk", "word"),
    [(lambda t: float("nan"), "no risk"), (broken, "CUDA error 700"), (lambda t: 7.0, "no risk")],
)
def test_failing_network_withholds_the_risk_and_the_picture_passes(risk, word):
    seen, parts = play(Pictures([tissue(i) for i in range(8)]), engine=lambda: FakeEngine(risk))
    assert len(seen.readings) == 8
    assert all(isinstance(r.estimate, NoEstimate) for r in seen.readings)
    assert word in reasons(seen)[0]
    assert parts.examination.risks == 0


def test_hanging_network_never_holds_up_a_live_picture():
    release = threading.Event()
    lumas = [tissue(i) for i in range(30)]
    source = Pictures(lumas, pace=Pace.LIVE, gaps=dict.fromkeys(range(30), 0.01))
    seen, _ = play(source, engine=lambda: FakeEngine(lambda t: release.wait(60) and 0.5), pace=Pace.LIVE)
    release.set()
    assert len(seen.readings) >= 20
    assert set(reasons(seen)) == {"waiting for the first risk"}


def test_live_risk_carries_its_age_and_the_sequence_it_was_computed_on():
    source = Pictures([tissue(i) for i in range(40)], pace=Pace.LIVE, gaps=dict.fromkeys(range(40), 0.01))
    seen, _ = play(source, pace=Pace.LIVE)
    known = [r for r in seen.readings if isinstance(r.estimate, RiskEstimate)]
    assert len(known) > 10
    assert all(r.estimate.sequence <= r.sequence and r.age_ms > 0 for r in known)
    assert all(r.age_ms >= (r.captured_ns - r.estimate.captured_ns) / 1e6 for r in known)


def test_frozen_pictures_add_nothing_and_withhold_the_risk():
    lumas = [tissue(i) for i in range(5)] + [tissue(4)] * 30
    seen, parts = play(Pictures(lumas))
    assert parts.examination.risks == 5
    assert seen.readings[-1].state is State.FROZEN
    assert reasons(seen)[-1] == "picture frozen for 1 s"
    assert max(r.estimate.n for r in seen.readings if isinstance(r.estimate, RiskEstimate)) == 5


def test_stall_is_noted_without_a_picture():
    lumas = [tissue(i) for i in range(6)]
    source = Pictures(lumas, pace=Pace.LIVE, gaps={5: 2.5})  # long beside what a busy machine loses
    seen, _ = play(source, pace=Pace.LIVE)
    assert State.STALLED in [note.state for note in seen.notes]
    stalled = [note for note in seen.notes if note.state is State.STALLED]
    assert all(isinstance(note.estimate, NoEstimate) and note.age_ms is None for note in stalled)
    assert seen.readings[-1].state is State.LIVE


def test_outage_is_noted_with_its_reason_and_forgets_the_evidence():
    lumas = [tissue(i) for i in range(120)]
    source = Pictures(lumas, pace=Pace.LIVE, gaps=dict.fromkeys(range(120), 0.01))
    seen, parts = play(FaultySource(source, (Fault(300_000_000, 300_000_000, "no-signal"),)), pace=Pace.LIVE)
    assert {note.estimate.reason for note in seen.notes[:-1]} == {"no signal: as the script says"}
    assert {note.state for note in seen.notes[:-1]} == {State.NO_SIGNAL}
    assert seen.readings[-1].state is State.LIVE
    assert isinstance(seen.readings[-1].estimate, RiskEstimate)
    assert seen.readings[-1].estimate.captured_ns > seen.readings[0].captured_ns + 600_000_000
    assert parts.capture.lost >= 10
    assert parts.capture.outage is None


def test_faulty_pictures_withhold_the_risk_drop_what_was_gathered_and_let_it_come_back():
    lumas = [tissue(i, 240, 320) for i in range(60)]
    source = FaultySource(Pictures(lumas), (Fault(800_000_000, 600_000_000, "doppler"),))
    seen, _ = play(source, roi=None)
    assert isinstance(seen.readings[19].estimate, RiskEstimate)
    assert set(reasons(seen)[23:35]) == {"colour over the tissue: Doppler or elastography"}
    assert isinstance(seen.readings[-1].estimate, RiskEstimate)
    assert seen.readings[-1].estimate.n <= 60 - 35


def test_black_screen_is_a_state_of_its_own():
    lumas = [tissue(i, 240, 320) for i in range(40)]
    seen, _ = play(FaultySource(Pictures(lumas), (Fault(800_000_000, 10**12, "black"),)), roi=None)
    assert seen.readings[-1].state is State.NOT_ULTRASOUND
    assert reasons(seen)[-1] == "black screen"


def test_scene_cut_forgets_the_evidence():
    lumas = [tissue(i) for i in range(10)] + [255 - tissue(i) for i in range(3)]
    seen, _ = play(Pictures(lumas))
    assert [r.estimate.n for r in seen.readings] == [*range(1, 11), 1, 2, 3]


def test_region_that_leaves_the_picture_withholds():
    seen, _ = play(Pictures([tissue(i) for i in range(3)]), roi=Roi(100, 50, 64, 72))
    assert set(reasons(seen)) == {"the chosen region leaves the picture"}


def test_without_a_region_the_field_is_looked_for():
    lumas = [tissue(i, 240, 320) for i in range(8)]
    seen, _ = play(Pictures(lumas), roi=None)
    assert reasons(seen)[0] == "looking for the ultrasound field"
    assert isinstance(seen.readings[-1].estimate, RiskEstimate)


def test_stop_ends_the_loop_and_every_frame_is_accounted_for():
    stop = threading.Event()
    source = Pictures([tissue(i % 9) for i in range(10_000)], pace=Pace.LIVE)
    timer = threading.Timer(1.0, stop.set)
    timer.start()
    seen, parts = play(source, pace=Pace.LIVE, stop=stop)  # asserts captured = presented + dropped
    assert 0 < len(seen.readings) < 10_000
    assert parts.capture.frames.dropped > 0


def test_region_drawn_while_running_is_looked_at_from_the_next_picture_on():
    desk = Desk(spec(), Choices(ROI, POINT))

    class Operator:
        def present(self, frame, reading):
            if frame.sequence == 9:
                desk.follow('{"roi": [32, 12, 32, 36]}', frame.bounds)

        def note(self, reading):
            pass

    seen, _ = play(Pictures([tissue(i) for i in range(15)]), desk=desk, outputs=(Operator(),))
    assert [r.region for r in seen.readings] == [ROI] * 10 + [Roi(32, 12, 32, 36)] * 5
    assert [r.estimate.n for r in seen.readings] == [*range(1, 11), *range(1, 6)]


def test_risk_that_is_hidden_while_no_picture_comes_is_hidden_at_once():
    desk = Desk(spec(), Choices(ROI, POINT))
    notes = []

    class Operator:
        def present(self, frame, reading):
            if frame.sequence == 9:
                desk.follow('{"hidden": true}', frame.bounds)

        def note(self, reading):
            notes.append(reading)

    source = Pictures([tissue(i) for i in range(11)], pace=Pace.LIVE, gaps={10: 0.4})
    play(source, pace=Pace.LIVE, desk=desk, outputs=(Operator(),))
    assert notes
    assert {reading.shown for reading in notes[:1]} == {NoEstimate("hidden by the operator")}


def test_limit_ends_by_the_frames_own_time():
    seen, _ = play(Pictures([tissue(i) for i in range(50)]), limit_s=1.0)
    assert len(seen.readings) == 25


def test_broken_source_shows_what_came_and_says_why():
    seen, parts = play(Pictures([tissue(i) for i in range(4)], error=DataError("truncated")))
    assert len(seen.readings) == 4
    assert str(parts.capture.failure) == "truncated"


def test_any_other_failure_of_the_source_is_an_error_too():
    _, parts = play(Pictures([tissue(0)], error=ZeroDivisionError("surprise")))
    assert "surprise" in str(parts.capture.failure)


def test_stages_are_timed():
    _, parts = play(Pictures([tissue(i) for i in range(5)]))
    stages = parts.timing.summary()
    assert {"capture", "frame", "look", "prepare", "infer", "draw", "present"} <= stages.keys()
    assert stages["infer"].count == 5
    assert stages["frame"].p50_ms <= stages["frame"].p99_ms <= stages["frame"].max_ms


def test_warm_cart_asks_less_often_and_presents_every_picture():
    class Warm(Thermometer):
        def __init__(self):
            super().__init__(Path("/nonexistent"))
            self.level = Heat.WARM

    seen, parts = play(Pictures([tissue(i) for i in range(50)]), thermometer=Warm())
    assert len(seen.readings) == 50  # two seconds at 25 a second
    assert 9 <= parts.examination.risks <= 11
    assert all(isinstance(r.estimate, RiskEstimate) for r in seen.readings)
    assert {r.slowed for r in seen.readings} == {"warm: risk slowed"}
