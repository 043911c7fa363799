"""The picture's threads come first where the system allows it, and run all the same where it does not."""

import os
import sys
import threading
from types import SimpleNamespace

import pytest

from edge.loop import run_loop
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.capture import Capture
from edge.timing import Timing
from edge.urgency import PICTURE, short_turns, urgent


def policy():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.sched_getparam(0).sched_priority


def may_be_urgent():
    with urgent(PICTURE):
        return policy() != (os.SCHED_OTHER, 0)


where_allowed = pytest.mark.skipif(not may_be_urgent(), reason="this user may not take a real-time priority")


@where_allowed
def test_thread_comes_first_within_the_block_and_what_it_starts_does_not():
    inherited = []
    with urgent(PICTURE):
        assert policy() == (os.SCHED_RR, PICTURE)
        thread = threading.Thread(target=lambda: inherited.append(policy()))
        thread.start()
        thread.join()
    assert inherited == [(os.SCHED_OTHER, 0)]
    assert policy() == (os.SCHED_OTHER, 0)


@pytest.mark.parametrize("call", ["sched_setscheduler", "sched_getscheduler", "sched_getparam"])
def test_where_it_is_forbidden_the_block_runs_as_it_would_without_and_says_so(monkeypatch, caplog, call):
    def forbid(*_):
        raise PermissionError("not for you")

    caplog.set_level("INFO")
    before, ran = policy(), []
    with monkeypatch.context() as patched:
        patched.setattr(os, call, forbid)
        with urgent(PICTURE):
            ran.append(True)
    assert ran
    assert policy() == before
    assert "not for you" in caplog.text


def test_turns_are_short_within_the_block_alone():
    """Whoever waits for a thread that computes in Python gets his turn sooner than Python's own 5 ms."""
    before = sys.getswitchinterval()
    with short_turns():
        assert sys.getswitchinterval() < 0.1 * before
    assert sys.getswitchinterval() == before


def test_turns_are_short_while_a_loop_runs(monkeypatch):
    monkeypatch.setattr("edge.loop._present_all", lambda parts: sys.getswitchinterval())
    before = sys.getswitchinterval()
    assert run_loop(SimpleNamespace(timing=Timing(), rank=None)) < 0.1 * before
    assert sys.getswitchinterval() == before


def test_no_rank_changes_nothing():
    with urgent(None):
        assert policy() == (os.SCHED_OTHER, 0)


@where_allowed
def test_capture_and_loop_take_the_rank_that_they_are_given(monkeypatch):
    read = []

    class Source:
        info = SourceInfo("source", 128, 96, 25.0)

        def read(self):
            read.append(policy())
            raise SourceEnded

        def close(self):
            pass

    for rank in (PICTURE, None):
        capture = Capture(Source(), Pace.LIVE, Timing(), rank=rank)
        capture.start()
        assert capture.frames.take(None) is None
    assert read == [(os.SCHED_RR, PICTURE), (os.SCHED_OTHER, 0)]

    monkeypatch.setattr("edge.loop._present_all", lambda parts: policy())
    ranked = [run_loop(SimpleNamespace(timing=Timing(), rank=rank)) for rank in (PICTURE, None)]
    assert ranked == [(os.SCHED_RR, PICTURE), (os.SCHED_OTHER, 0)]
