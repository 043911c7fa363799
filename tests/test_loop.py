"""The picture always passes; the risk is the first thing to go."""

import threading
import time
from functools import partial
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
from edge.exam.findings import NOTHING
from edge.exam.reading import Identity
from edge.exam.signal import State
from edge.exam.tearing import TORN
from edge.heat import Heat, Thermometer
from edge.loop import Parts, run_loop
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.sources.faults import Fault, FaultySource
from edge.timing import Timing
from tests.clips import i420, tissue
from tests.fakes import FakeEngine, spec
from tests.patience import PATIENCE_S, Clock

ROI = Roi(32, 12, 64, 72)
IDENTITY = Identity("fake", "0" * 12, "fp32")
POINT = OperatingPoint(name="balanced", threshold=0.5)


class Pictures:
    """A source that plays a list; each frame comes as soon as `due` holds for its index."""

    def __init__(self, lumas, *, pace=Pace.MAX, due=lambda index: True, now=time.monotonic_ns, error=None):
        self.info = SourceInfo("pictures", 128, 96, 25.0)
        self.closed = threading.Event()
        self._lumas = lumas
        self._pace = pace
        self._due, self._now = due, now
        self._error = error
        self._next = 0

    def read(self):
        index = self._next
        self._next += 1
        end = time.monotonic() + PATIENCE_S
        while not self._due(index):
            if time.monotonic() > end:
                raise TimeoutError(f"picture {index} is never due")
            if self.closed.wait(0.01):
                raise SourceEnded
        if self.closed.is_set():
            raise SourceEnded
        if index == len(self._lumas):
            raise self._error or SourceEnded
        captured = self._now() if self._pace is Pace.LIVE else index * 40_000_000
        return i420(self._lumas[index], sequence=index, captured_ns=captured)

    def close(self):
        self.closed.set()


@pytest.fixture
def clock(monkeypatch):
    """The loop's own, which goes with the pictures, so that no stall of the machine is one of the source."""
    clock = Clock()
    monkeypatch.setattr("edge.loop.time", clock)
    return clock


def tick(clock):
    """The time of the next picture, 10 ms later."""
    clock.ns += 10_000_000
    return clock.ns


class Seen:
    """An output that remembers."""

    def __init__(self):
        self.frames, self.readings, self.notes = [], [], []

    def present(self, frame, reading):
        self.frames.append(frame)
        self.readings.append(reading)

    def note(self, reading):
        self.notes.append(reading)


class Stopping:
    """Stops the run as soon as `holds` of a reading."""

    def __init__(self, holds):
        self.stop = threading.Event()
        self._holds = holds

    def present(self, frame, reading):
        if self._holds(reading):
            self.stop.set()

    def note(self, reading):
        pass


def play(
    source,
    *,
    engine=FakeEngine,
    pace=Pace.MAX,
    roi=ROI,
    stop=None,
    limit_s=None,
    desk=None,
    outputs=(),
    thermometer=None,
    seen=None,
):
    seen, timing = seen or Seen(), Timing()
    worker = EngineWorker(engine, timing)
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


def breath():
    """A picture is due at the second look, 10 ms later, so that the source leaves the machine to others."""
    asked = []
    return lambda index: index in asked[-1:] or asked.append(index)


def endless(**options):
    """A live source that goes on for far longer than any test, every picture another one."""
    return Pictures([tissue(i) for i in range(9)] * 100_000, pace=Pace.LIVE, **options)


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


def test_live_network_is_asked_as_soon_as_it_is_free_about_the_newest_picture_as_it_was_before_drawing():
    """It answers about picture 0 when picture 1 is presented; picture 2 comes once it is asked about that."""
    seen, tensors = Seen(), []

    def slow(tensor):
        end = time.monotonic() + PATIENCE_S
        while not tensors and len(seen.readings) < 2 and time.monotonic() < end:
            time.sleep(0.001)
        tensors.append(tensor.copy())
        return 0.5

    def next_is_due(index):
        return len(seen.readings) == index and (index < 2 or len(tensors) >= 2)

    lumas = [tissue(i) for i in range(3)]
    source = Pictures(lumas, pace=Pace.LIVE, due=next_is_due)
    play(source, engine=lambda: FakeEngine(slow), pace=Pace.LIVE, seen=seen)
    assert [reading.sequence for reading in seen.readings] == [0, 1, 2]
    assert not np.array_equal(seen.frames[1].luma(ROI), i420(lumas[1]).luma(ROI))  # the panel covers a part
    for luma, tensor in zip(lumas, tensors, strict=False):
        assert np.array_equal(tensor, prepare(i420(luma), ROI, 32, 24))


def test_live_picture_is_presented_before_the_network_is_asked_about_it(monkeypatch):
    order, submit = [], EngineWorker.submit

    class Output:
        def present(self, frame, reading):
            order.append(("presented", reading.sequence))

        def note(self, reading):
            pass

    def note(worker, job):
        order.append(("asked", job.sequence))
        submit(worker, job)

    monkeypatch.setattr(EngineWorker, "submit", note)
    source = Pictures(
        [tissue(i) for i in range(5)], pace=Pace.LIVE, due=lambda index: len(order) == 2 * index
    )
    play(source, pace=Pace.LIVE, outputs=(Output(),))
    assert order == [(what, k) for k in range(5) for what in ("presented", "asked")]


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


def test_hanging_network_never_holds_up_a_live_picture(clock):
    seen = Seen()
    lumas = [tissue(i) for i in range(30)]
    source = Pictures(
        lumas, pace=Pace.LIVE, due=lambda index: len(seen.readings) == index, now=partial(tick, clock)
    )
    hanging = FakeEngine(lambda tensor: source.closed.wait(PATIENCE_S) and 0.5)
    play(source, engine=lambda: hanging, pace=Pace.LIVE, seen=seen)
    assert len(seen.readings) == 30
    assert hanging.calls == 1
    assert set(reasons(seen)) == {"waiting for the first risk"}


def test_live_risk_carries_its_age_and_the_sequence_it_was_computed_on():
    known = []

    def enough(reading):
        known.extend([reading] if isinstance(reading.estimate, RiskEstimate) else [])
        return len(known) > 10

    output = Stopping(enough)
    play(endless(due=breath()), pace=Pace.LIVE, outputs=(output,), stop=output.stop)
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
    seen = Seen()

    def stalled():
        return [note for note in seen.notes if note.state is State.STALLED]

    source = Pictures(
        [tissue(i) for i in range(6)],
        pace=Pace.LIVE,
        due=lambda index: index < 5 or any(note.sequence == 4 for note in stalled()),
    )
    play(source, pace=Pace.LIVE, seen=seen)
    assert stalled()
    assert all(isinstance(note.estimate, NoEstimate) and note.age_ms is None for note in stalled())
    assert seen.readings[-1].state is State.LIVE


def test_outage_is_noted_with_its_reason_and_forgets_the_evidence(clock):
    """A picture every 10 ms by a clock that only the source moves: its outage lasts for 30."""
    seen = Seen()

    def next_is_due(index):
        """The outage ends once it has been noted; all others follow one on the other."""
        if index <= 30:
            return len(seen.readings) == index
        if index == 31:
            return len([note for note in seen.notes if note.state is State.NO_SIGNAL]) > 2
        return index < 60 or len(seen.readings) == index - 30

    back = Stopping(lambda said: said.sequence >= 60 and isinstance(said.estimate, RiskEstimate))
    source = endless(due=next_is_due, now=partial(tick, clock))
    faulty = FaultySource(source, (Fault(300_000_000, 300_000_000, "no-signal"),))
    _, parts = play(faulty, pace=Pace.LIVE, seen=seen, outputs=(back,), stop=back.stop)
    since = [note.state for note in seen.notes].index(State.NO_SIGNAL)
    told = [note for note in seen.notes[since:] if note.sequence == 29]  # before pictures come again
    assert {(note.state, note.estimate) for note in told} == {
        (State.NO_SIGNAL, NoEstimate("no signal: as the script says"))
    }
    assert [reading.sequence for reading in seen.readings[29:31]] == [29, 60]
    assert seen.readings[-1].state is State.LIVE
    assert seen.readings[-1].estimate.captured_ns > seen.readings[0].captured_ns + 600_000_000
    assert seen.readings[-1].estimate.n < len(seen.readings) - 30
    assert parts.capture.lost == 30
    assert parts.capture.outage is None


def test_case_that_begins_without_a_picture_is_told_nothing_of_the_one_before():
    desk = Desk(spec(), Choices(ROI, POINT))

    class Operator:
        def present(self, frame, reading):
            if frame.sequence == 59:
                desk.new_case()

        def note(self, reading):
            pass

    seen = Seen()

    def told():
        return [note for note in seen.notes if note.choices.case == 1 and note.sequence == 59]

    def next_is_due(index):
        return len(told()) > 2 if index == 60 else len(seen.readings) == index

    source = Pictures([tissue(i) for i in range(61)], pace=Pace.LIVE, due=next_is_due)
    play(source, pace=Pace.LIVE, desk=desk, outputs=(Operator(),), seen=seen)
    assert told()
    assert all(isinstance(note.estimate, NoEstimate) and note.age_ms is None for note in told())
    assert all(note.findings is NOTHING and note.heat is None for note in told())


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
    dropping = Stopping(lambda reading: reading.dropped)
    seen, parts = play(endless(), pace=Pace.LIVE, stop=dropping.stop, outputs=(dropping,))
    assert seen.readings  # and `play` asserts captured = presented + dropped
    assert parts.capture.frames.dropped > 0


def test_stopped_run_does_not_say_that_its_source_has_ended():
    third = Stopping(lambda reading: reading.sequence >= 2)
    stopped, _ = play(endless(due=breath()), pace=Pace.LIVE, stop=third.stop, outputs=(third,))
    assert State.ENDED not in [note.state for note in stopped.notes]
    ended, _ = play(Pictures([tissue(0)]))
    assert ended.notes[-1].state is State.ENDED


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
    desk, seen = Desk(spec(), Choices(ROI, POINT)), Seen()

    class Operator:
        def present(self, frame, reading):
            if frame.sequence == 9:
                desk.follow('{"hidden": true}', frame.bounds)

        def note(self, reading):
            pass

    def told():
        return [note for note in seen.notes if note.sequence == 9]

    def next_is_due(index):
        return bool(told()) if index == 10 else len(seen.readings) == index

    source = Pictures([tissue(i) for i in range(11)], pace=Pace.LIVE, due=next_is_due)
    play(source, pace=Pace.LIVE, desk=desk, outputs=(Operator(),), seen=seen)
    assert told()[0].shown == NoEstimate("hidden by the operator")


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
    assert stages["frame"].p50_ms <= stages["frame"].max_ms
    assert stages["frame"].p99_ms is None  # of five pictures
    assert stages["frame"].words.startswith(f"p50 {stages['frame'].p50_ms:.1f} max ")


def thermometer(level):
    meter = Thermometer(Path("/nonexistent"))
    meter.level, meter.celsius = level, 85.0
    return meter


def test_warm_cart_asks_less_often_and_presents_every_picture(clock):
    """By a clock that goes 10 ms on with each picture: one in twenty is asked about."""
    seen = Seen()
    source = Pictures(
        [tissue(i) for i in range(50)],
        pace=Pace.LIVE,
        due=lambda index: len(seen.readings) == index,
        now=partial(tick, clock),
    )
    _, parts = play(source, pace=Pace.LIVE, seen=seen, thermometer=thermometer(Heat.WARM))
    assert len(seen.readings) == 50
    assert 1 <= parts.examination.risks <= 3
    assert {(r.slowed, r.celsius) for r in seen.readings} == {("warm: risk slowed", 85.0)}


@pytest.mark.parametrize("level", Heat)
def test_heat_takes_no_risk_from_a_file(level):
    seen, parts = play(Pictures([tissue(i) for i in range(50)]), thermometer=thermometer(level))
    assert parts.examination.risks == 50
    assert [r.estimate.sequence for r in seen.readings] == list(range(50))
    assert {r.slowed for r in seen.readings} == {""}


def test_silence_tells_no_rate_of_before_and_the_present_heat():
    seen, meter = Seen(), thermometer(Heat.WARM)

    def cooled(reading):
        meter.level, meter.celsius = Heat.COOL, 60.0
        return reading.rate == 0.0 and reading.celsius == 60.0

    source = Pictures(
        [tissue(i) for i in range(6)],
        pace=Pace.LIVE,
        due=lambda index: len(seen.readings) == index if index < 5 else any(map(cooled, seen.notes)),
    )
    play(source, pace=Pace.LIVE, seen=seen, thermometer=meter)
    assert seen.readings[4].slowed
    assert seen.notes[-1].slowed == ""


def test_repeated_pictures_are_neither_analysed_again_nor_counted_as_a_rate():
    calls = []

    class Counting(FakeEngine):
        def infer(self, tensor):
            calls.append(1)
            return super().infer(tensor)

    seen, *_ = play(Pictures([tissue(i // 2) for i in range(60)]), engine=Counting)
    assert abs(seen.readings[-1].rate - 12.5) < 1
    assert len(calls) == 30


def test_torn_pictures_pass_are_counted_and_not_analysed_and_withhold_the_risk_once_they_repeat():
    asked = []

    class Counting(FakeEngine):
        def infer(self, tensor):
            asked.append(1)
            return super().infer(tensor)

    source = FaultySource(Pictures([tissue(i) for i in range(75)]), (Fault(10**9, 10**9, "torn"),))
    seen, parts = play(source, engine=Counting)
    assert len(seen.readings) == 75
    assert parts.examination.signal.tearing.count == seen.readings[-1].torn == 12
    assert len(asked) == 75 - 12
    said = [index for index, reason in enumerate(reasons(seen)) if reason == TORN]
    assert said[0] == 25 + 5  # every second one is torn: the third of them
    assert said[-1] < 50 + 25
    assert isinstance(seen.readings[-1].estimate, RiskEstimate)


@pytest.mark.parametrize("days", [1, -1, 3650, -3650])
def test_wall_clock_that_jumps_changes_neither_states_nor_ages_nor_evidence(monkeypatch, days):
    steady, _ = play(Pictures([tissue(i) for i in range(40)] + [tissue(39)] * 20))
    clock, calls = time.time, []

    def jumping():
        calls.append(1)
        return clock() + (86400 * days if len(calls) > 3 else 0)

    class Jumping(FakeEngine):
        def infer(self, tensor):
            jumping()
            return super().infer(tensor)

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * jumping()))
    jumped, _ = play(Pictures([tissue(i) for i in range(40)] + [tissue(39)] * 20), engine=Jumping)
    assert jumped.readings == steady.readings
    live = Seen()
    lumas = [tissue(i) for i in range(40)]
    source = Pictures(lumas, pace=Pace.LIVE, due=lambda index: len(live.readings) == index)
    play(source, engine=Jumping, pace=Pace.LIVE, seen=live)
    assert {reading.state for reading in live.readings} == {State.LIVE}
    assert all(reading.age_ms is None or 0 <= reading.age_ms < 10_000 for reading in live.readings)
