"""An engine in its own process answers as one in a thread, and whatever ends it costs the risk alone."""

import time

import numpy as np
import pytest

from edge.contract.frame import PixelFormat
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi
from edge.engines.base import EngineError, FrameEngine, KillableEngine
from edge.engines.process import EngineProcess
from edge.engines.staging import STAGED_BYTES
from edge.engines.worker import EngineWorker, Job
from edge.errors import UnavailableError
from edge.timing import Timing
from tests.engines.slow_engines import Framed, Moody, Tuned, brightness, hanging, hungry, missing
from tests.engines.speckled import make_frame
from tests.fakes import FakeEngine
from tests.patience import PATIENCE_S, Clock, wait_for


def filled(level):
    return np.full((1, 1, 24, 32), level, np.uint8)


@pytest.fixture
def start():
    engines = []

    def start(make):
        engines.append(EngineProcess(make))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


def test_outputs_are_those_of_the_engine_itself(start):
    engine = start(brightness)
    assert isinstance(engine, FrameEngine)
    assert isinstance(engine, KillableEngine)
    assert (engine.name, engine.precision) == ("fake", "fp32")
    for level in (51, 204):
        expected, found = FakeEngine().infer(filled(level)), engine.infer(filled(level))
        assert found.risk == expected.risk
        assert np.array_equal(found.heatmap, expected.heatmap)


def test_its_malloc_asks_for_huge_pages_unless_the_user_has_it_otherwise(start, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert start(Tuned).name == "glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")  # glibc takes the last one
    assert start(Tuned).name == "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0"


def test_frames_are_staged_where_the_engine_takes_them(start):
    frame, roi = make_frame(PixelFormat.NV12), Roi(5, 4, 99, 80)
    engine = start(Framed)
    assert engine.stage(frame, roi)
    inference, tensor = engine.infer_staged()
    assert np.array_equal(tensor, prepare(frame, roi, 32, 24))
    assert inference.risk == pytest.approx(tensor.mean() / 255)
    assert not start(brightness).stage(frame, roi)


def test_region_beyond_the_shared_memory_is_refused(start):
    engine = start(Framed)
    frame = make_frame(PixelFormat.NV12, width=4000, height=3000)
    assert frame.planes[0].nbytes > STAGED_BYTES
    assert not engine.stage(frame, frame.bounds)


def test_what_cannot_be_made_is_the_makers_own_error():
    with pytest.raises(UnavailableError, match="no such device"):
        EngineProcess(missing)


def test_engine_that_hangs_while_it_is_made_is_killed_and_told(monkeypatch):
    killed = []
    real = EngineProcess.kill
    monkeypatch.setattr(EngineProcess, "kill", lambda self: (real(self), killed.append(self._process)))
    with pytest.raises(EngineError, match="not loaded after"):
        EngineProcess(hanging, loading_s=0.2)
    assert [process.returncode for process in killed] == [-9]


def test_failures_are_passed_on_and_a_crash_is_told_by_its_signal(start):
    engine = start(Moody)
    with pytest.raises(EngineError, match="context is lost"):
        engine.infer(filled(3))
    assert engine.infer(filled(51)).risk == pytest.approx(0.2)
    with pytest.raises(EngineError, match="SIGSEGV"):
        engine.infer(filled(2))
    with pytest.raises(EngineError, match="has ended"):
        engine.infer(filled(51))


def test_memory_that_runs_out_ends_the_process_and_not_the_daemon(start):
    with pytest.raises(EngineError, match="has ended"):
        start(hungry).infer(filled(51))


def test_killing_waits_for_nothing(start, monkeypatch):
    """A process that the kernel does not let go, in a driver, would hold up the loop that kills it."""
    engine = start(brightness)
    with monkeypatch.context() as patched:
        patched.setattr(engine._process, "wait", lambda *_: pytest.fail("it waits"))
        engine.kill()
    with pytest.raises(EngineError, match="SIGKILL"):
        engine.infer(filled(51))


def test_closing_ends_the_process(start):
    engine = start(brightness)
    engine.close()
    engine.close()
    assert engine._process.poll() == 0


@pytest.mark.parametrize(("level", "passes_s"), [(1, 2 * PATIENCE_S), (2, 0)], ids=["hangs", "crashes"])
def test_worker_kills_or_replaces_it_and_goes_on(monkeypatch, level, passes_s):
    """By a clock of the worker's own: time passes for the engine that hangs, and not for one that is slow."""
    made, clock = [], Clock()
    monkeypatch.setattr("edge.engines.worker.time", clock)

    def make():
        made.append(EngineProcess(Moody))
        return made[-1]

    worker = EngineWorker(make, Timing())
    worker.wait_ready()
    while not worker.replacements:
        worker.submit(Job(filled(level), 0, 0))
        clock.ns += int(passes_s * 1e9)
        answer = wait_for(lambda: worker.poll() or worker.replacements)
        assert answer == 1 or answer.inference is None
    assert made[0]._process.wait(PATIENCE_S) < 0
    worker.wait_ready()
    worker.submit(Job(filled(51), 9, 0))
    assert wait_for(worker.poll).inference.risk == pytest.approx(0.2)
    worker.close()
    assert made[-1]._process.wait(PATIENCE_S) == 0


def test_closing_does_not_wait_for_a_hanging_engine():
    engines = []

    def make():
        engines.append(EngineProcess(Moody))
        return engines[-1]

    worker = EngineWorker(make, Timing(), deadline_s=0.5)
    worker.wait_ready()
    worker.submit(Job(filled(1), 0, 0))
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began < PATIENCE_S  # the engine would sleep for ten minutes
    assert engines[0]._process.wait(PATIENCE_S) < 0
