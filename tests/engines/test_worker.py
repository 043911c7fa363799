"""The engine's thread never takes the loop down: failures are reasons, hangs are replaced."""

import threading

import numpy as np
import pytest

from edge.engines.base import EngineError
from edge.engines.worker import FAILURES, PROVEN_S, REPEATS, REPLACEMENTS, RESTS_S, Answer, EngineWorker, Job
from edge.timing import Timing
from tests.fakes import FakeEngine
from tests.patience import PATIENCE_S, Clock, wait_for

TENSOR = np.full((1, 1, 24, 32), 51, np.uint8)


@pytest.fixture
def start():
    workers = []

    def start(make, **options):
        workers.append(EngineWorker(make, Timing(), **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def ask(worker, sequence=0):
    worker.wait_ready()
    worker.submit(Job(TENSOR, sequence, sequence * 10))
    return worker.wait()


def test_answer_carries_its_frames_identity(start):
    answer = ask(start(FakeEngine), 7)
    assert (answer.sequence, answer.captured_ns) == (7, 70)
    assert answer.inference.risk == pytest.approx(0.2)


def test_engine_is_made_used_and_closed_in_one_thread(start):
    threads = []

    class Watched(FakeEngine):
        def __init__(self):
            super().__init__(lambda tensor: threads.append(threading.current_thread()) or 0.5)
            threads.append(threading.current_thread())

        def close(self):
            threads.append(threading.current_thread())
            closed.set()

    closed = threading.Event()
    worker = start(Watched)
    ask(worker)
    worker.close()
    assert closed.wait(PATIENCE_S)
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_engine_that_cannot_be_made_is_the_callers_error(start):
    def make():
        raise EngineError("no such device")

    with pytest.raises(EngineError, match="no such device"):
        start(make).wait_ready()


@pytest.mark.parametrize("risk", [float("nan"), float("inf"), -0.1, 1.1])
def test_output_that_is_no_risk_is_a_reason(start, risk):
    answer = ask(start(lambda: FakeEngine(lambda tensor: risk)))
    assert answer.inference is None
    assert "no risk" in answer.reason


def test_any_exception_is_a_reason(start):
    def broken(tensor):
        raise MemoryError("out of memory")

    answer = ask(start(lambda: FakeEngine(broken)))
    assert answer.inference is None
    assert "out of memory" in answer.reason


def test_engine_is_built_anew_after_failures_in_a_row_and_recovers(start):
    made = []

    def make():
        made.append(1)
        return FakeEngine(lambda tensor: float("nan") if len(made) == 1 else 0.3)

    worker = start(make)
    for sequence in range(FAILURES):
        assert ask(worker, sequence).inference is None
    assert ask(worker, 9).inference.risk == 0.3
    assert worker.replacements == 1


class Hanging(FakeEngine):
    """Does not answer, while its clock runs, until it is released."""

    def __init__(self, clock, released):
        super().__init__()
        self._clock = clock
        self._released = released

    def infer(self, tensor):
        if not self._released.is_set():
            self._clock.ns += 10**9
            self._wait()
        return super().infer(tensor)

    def _wait(self):
        self._released.wait(PATIENCE_S)


class Killable(Hanging):
    """The same in a process of its own."""

    def __init__(self, clock, released):
        super().__init__(clock, released)
        self._killed = threading.Event()

    def _wait(self):
        wait_for(lambda: self._killed.is_set() or self._released.is_set())

    def kill(self):
        self._killed.set()


def starve(start, monkeypatch, engine=Killable):
    """A worker whose engines hang until `released`, and its clock; it has just been left off."""
    clock, released = Clock(), threading.Event()
    monkeypatch.setattr("edge.engines.worker.time", clock)
    worker = start(lambda: engine(clock, released), deadline_s=0.05)
    for sequence in range(REPLACEMENTS + 1):
        assert ask(worker, sequence).reason == "the network does not answer"
    return worker, clock, released


def test_hanging_engine_is_replaced_then_left_off_for_a_while(start, monkeypatch):
    worker, clock, released = starve(start, monkeypatch)
    assert worker.paused == "AI paused: the network does not answer; tried again in 1 min"
    assert not worker.idle
    clock.ns += RESTS_S[0] * 10**9 - 1
    assert worker.poll() is None
    assert worker.replacements == REPLACEMENTS
    released.set()


def test_network_that_was_left_off_comes_back_once_the_machine_is_free(start, monkeypatch):
    worker, clock, released = starve(start, monkeypatch)
    released.set()
    clock.ns += RESTS_S[0] * 10**9
    worker.poll()
    assert ask(worker, 9).inference.risk == pytest.approx(0.2)
    assert worker.paused is None


def test_engine_that_cannot_be_killed_is_not_tried_beside_one_that_hangs(start, monkeypatch):
    worker, clock, released = starve(start, monkeypatch, Hanging)
    for _ in range(3):
        clock.ns += RESTS_S[-1] * 10**9
        assert worker.poll() is None
    assert worker.replacements == REPLACEMENTS
    assert worker.paused == "AI paused: the network does not answer; it hangs, restart the service"
    released.set()
    wait_for(lambda: worker.poll() is None and worker.replacements > REPLACEMENTS)
    assert ask(worker, 9).inference.risk == pytest.approx(0.2)


def test_pause_says_in_how_many_minutes_the_network_is_tried_again(start, monkeypatch):
    worker, clock, released = starve(start, monkeypatch)
    clock.ns += RESTS_S[0] * 10**9
    worker.poll()
    assert ask(worker, 8).inference is None
    assert worker.paused.endswith("; tried again in 2 min")
    clock.ns += 90 * 10**9
    assert worker.paused.endswith("; tried again in 1 min")
    released.set()


def test_each_vain_try_makes_the_next_rest_longer(start, monkeypatch):
    worker, clock, released = starve(start, monkeypatch)
    clock.ns += RESTS_S[0] * 10**9
    worker.poll()
    assert ask(worker, 8).inference is None  # one try, and it is off again
    assert worker.paused is not None
    clock.ns += RESTS_S[0] * 10**9
    assert worker.poll() is None
    assert worker.paused is not None
    clock.ns += (RESTS_S[1] - RESTS_S[0]) * 10**9
    released.set()
    worker.poll()
    assert ask(worker, 9).inference.risk == pytest.approx(0.2)


def test_replacements_of_long_ago_do_not_count(start, monkeypatch):
    clock, well = Clock(), threading.Event()
    monkeypatch.setattr("edge.engines.worker.time", clock)
    worker = start(lambda: FakeEngine(lambda tensor: 0.5 if well.is_set() else float("nan")))
    for _ in range(2 * REPLACEMENTS):
        well.clear()
        for sequence in range(FAILURES):
            assert ask(worker, sequence).inference is None
        well.set()
        assert ask(worker).inference is not None
        clock.ns += (PROVEN_S + 1) * 10**9
        assert ask(worker).inference is not None
    assert worker.paused is None
    assert worker.replacements == 2 * REPLACEMENTS


def test_slow_loading_proves_nothing(start, monkeypatch):
    """An engine that loads for minutes and gives one answer before it fails is left off all the same."""
    clock = Clock()
    monkeypatch.setattr("edge.engines.worker.time", clock)

    def make():
        clock.ns += 2 * PROVEN_S * 10**9
        answers = iter([0.5])
        return FakeEngine(lambda tensor: next(answers, float("nan")))

    worker = start(make)
    for _ in range(REPLACEMENTS + 1):
        assert worker.paused is None or "loaded" in worker.paused
        assert ask(worker).inference is not None
        for sequence in range(FAILURES):
            assert ask(worker, sequence).inference is None
    assert "tried again in 1 min" in worker.paused


def test_late_answer_of_a_replaced_engine_is_ignored(start, monkeypatch):
    """Time passes while the first engine hangs, and stands still for the other one, as slow as it may be."""
    release, made, clock = threading.Event(), [], Clock()
    monkeypatch.setattr("edge.engines.worker.time", clock)

    def hang(tensor):
        clock.ns += 10**9
        release.wait(PATIENCE_S)
        return 0.9

    def make():
        made.append(1)
        return FakeEngine(hang if len(made) == 1 else lambda t: 0.1)

    worker = start(make, deadline_s=0.05)
    assert ask(worker, 1) == Answer(1, 10, None, "the network does not answer")
    release.set()
    worker.wait_ready()
    assert worker.poll(0.05) is None
    assert ask(worker, 2).inference.risk == 0.1


class Stuck(FakeEngine):
    """Says the same of everything."""

    def infer(self, tensor):
        return super().infer(TENSOR)


def filled(level):
    return np.full_like(TENSOR, level)


def test_equal_answers_to_different_pictures_are_no_answer(start):
    made = []

    def make():
        made.append(1)
        return Stuck() if len(made) == 1 else FakeEngine()

    worker = start(make)
    worker.wait_ready()
    reasons = []
    for level in range(1 + REPEATS + FAILURES):
        worker.submit(Job(filled(level), level, 0))
        reasons.append(worker.wait().reason)
    assert reasons[:REPEATS] == [""] * REPEATS  # two frames may well look the same to a network
    assert reasons[REPEATS:-1] == ["the network says the same of every picture"] * FAILURES
    assert worker.replacements == 1
    assert reasons[-1] == ""


def test_equal_answers_to_the_same_picture_are_right(start):
    worker = start(Stuck)
    for sequence in range(3 * REPEATS):
        assert ask(worker, sequence).inference is not None
