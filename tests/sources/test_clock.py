"""A clip is played by its time stamps; what a halt has made late does not come in a rush."""

import threading

import pytest

from edge.sources import clock as module
from edge.sources.clock import LiveClock

MS = 1_000_000


@pytest.fixture
def now(monkeypatch):
    """The machine's clock, in a list; waiting moves it on."""
    at = [10**15]

    class Waiting(threading.Event):
        def wait(self, timeout=None):
            at[0] += round(timeout * 1e9)
            return self.is_set()

    monkeypatch.setattr(module.time, "monotonic_ns", lambda: at[0])
    return at, LiveClock(Waiting())


def test_pictures_come_by_the_clips_own_time_from_the_first_one_on(now):
    at, clock = now
    began = at[0]
    assert [clock.wait(80 * MS + index * 40 * MS) - began for index in range(4)] == [
        0,
        40 * MS,
        80 * MS,
        120 * MS,
    ]


def test_short_delay_is_caught_up_with(now):
    at, clock = now
    began = clock.wait(0)
    at[0] += 90 * MS
    assert [clock.wait(index * 40 * MS) - began for index in (1, 2, 3)] == [90 * MS, 90 * MS, 120 * MS]


def test_after_a_suspend_nothing_overdue_comes_in_a_rush(now):
    at, clock = now
    clock.wait(0)
    at[0] += 86_400_000 * MS
    woken = at[0]
    assert [clock.wait(index * 40 * MS) - woken for index in (1, 2, 3)] == [0, 40 * MS, 80 * MS]
