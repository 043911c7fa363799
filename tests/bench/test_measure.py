"""Turns of the single stream on a clock that only the candidates move."""

import pytest

from edge.bench.measure import single_stream
from edge.bench.rule import Rule


class Quiet:
    def look(self):
        pass

    def conditions(self):
        pass


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        ns = 0

    monkeypatch.setattr("edge.bench.measure.time.perf_counter_ns", lambda: Clock.ns)
    monkeypatch.setattr("edge.bench.measure.time.perf_counter", lambda: Clock.ns / 1e9)
    monkeypatch.setattr("edge.bench.measure.time.process_time_ns", lambda: Clock.ns * 2)
    return Clock


def candidate(clock, milliseconds, calls, name):
    def query(i):
        calls.append(name)
        clock.ns += int(milliseconds * 1e6)

    return query


def test_run_lasts_until_both_parts_of_the_rule_hold(clock):
    calls = []
    fast = {"fast": candidate(clock, 1, calls, "fast")}
    (track,), _ = single_stream(fast, Rule(50, 2.0, 0.0), lambda done: None, Quiet)
    assert sum(track.wall_ms) >= 2000
    slow = {"slow": candidate(clock, 100, calls, "slow")}
    (track,), _ = single_stream(slow, Rule(50, 2.0, 0.0), lambda done: None, Quiet)
    assert len(track.wall_ms) >= 50
    assert set(track.wall_ms) == {100.0}
    assert set(track.cpu_ms) == {200.0}


def test_candidates_take_turns_in_alternating_order(clock):
    calls, steps = [], []
    tracks, _ = single_stream(
        {"a": candidate(clock, 100, calls, "a"), "b": candidate(clock, 50, calls, "b")},
        Rule(12, 0.1, 0.0),
        steps.append,
        Quiet,
    )
    a, b = tracks
    warm_up, turn = 3, 1 + a.rounds.count(0)
    expected = ["a"] * warm_up + ["b"] * warm_up
    for k in range(len(set(a.rounds))):
        expected += [*"ab"][:: -1 if k % 2 else 1][0] * turn
        expected += [*"ab"][:: -1 if k % 2 else 1][1] * turn
    assert calls == expected
    assert a.rounds == b.rounds
    assert len(a.wall_ms) == len(b.wall_ms) >= 12
    assert a.at_s == sorted(a.at_s)
    assert steps[-1] == 1.0


def test_first_query_of_a_turn_is_left_out_when_candidates_take_turns(clock):
    calls = []
    tracks, _ = single_stream(
        {"a": candidate(clock, 100, calls, "a"), "b": candidate(clock, 100, calls, "b")},
        Rule(6, 0.1, 0.0),
        lambda done: None,
        Quiet,
    )
    rounds = len(set(tracks[0].rounds))
    warm_up = 2 * 3
    assert len(calls) == warm_up + 2 * (len(tracks[0].wall_ms) + rounds)


def test_energy_is_that_of_the_timed_queries_alone(clock):
    """A sensor that counts a joule a second: the warm-up's seconds are not in it."""

    class Meter(Quiet):
        def __init__(self):
            self.since = clock.ns

        def conditions(self):
            return (clock.ns - self.since) / 1e9

    query = {"a": candidate(clock, 100, [], "a")}
    (track,), joules = single_stream(query, Rule(20, 0.1, 5.0), lambda done: None, Meter)
    assert joules / len(track.wall_ms) == pytest.approx(0.1)
