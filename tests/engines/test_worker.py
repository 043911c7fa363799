"""The engine's thread never takes the loop down: failures are reasons, hangs are replaced."""

import threading

import numpy as np
import pytest

from edge.engines.base import EngineError
from edge.engines.worker import FAILURES, REPEATS, REPLACEMENTS, EngineWorker, Job
from edge.timing import Timing
from tests.fakes import FakeEngine

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
    assert closed.wait(5)
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


def test_hanging_engine_is_replaced_then_stays_off(start):
    release = threading.Event()

    def hang(tensor):
        release.wait(30)
        return 0.5

    worker = start(lambda: FakeEngine(hang), deadline_s=0.01)
    for sequence in range(REPLACEMENTS + 1):
        assert ask(worker, sequence) is None
    assert worker.paused == "AI off: the network does not answer"
    assert not worker.idle
    assert worker.poll() is None
    release.set()


def test_late_answer_of_a_replaced_engine_is_ignored(start):
    release, made = threading.Event(), []

    def make():
        made.append(1)
        return FakeEngine((lambda t: release.wait(30) and 0.9) if len(made) == 1 else lambda t: 0.1)

    worker = start(make, deadline_s=0.05)
    assert ask(worker, 1) is None
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
