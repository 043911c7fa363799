"""MLPerf's single stream: the next query is sent when the last has returned; candidates take turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from edge.bench.conditions import Conditions, Watch
from edge.bench.result import Track
from edge.bench.rule import Rule

TURN_SECONDS = 0.3
"""A turn is long enough for caches and branch predictors to be the candidate's own, and short enough that a
disturbance of seconds hits every candidate alike."""


def single_stream(
    candidates: Mapping[str, Callable[[int], None]],
    rule: Rule,
    progress: Callable[[float], None],
    start_watch: Callable[[], Watch] = Watch,
) -> tuple[list[Track], Conditions]:
    """Time every candidate's queries in interleaved rounds; odd rounds go through them backwards.

    Args:
        candidates: by name, a function that runs query number i to its end.
        rule: after a warm-up each, rounds are added until every candidate has fulfilled it.
        progress: told the part that is done, 0 to 1, between turns.
        start_watch: begins to look at the machine, which it does between turns.

    Returns:
        One track per candidate with the CPU time of the whole process. With several candidates the first
        query of a turn warms the caches up and is left out. And the machine's conditions from the end of the
        warm-up on, so that energy is that of the timed queries.
    """
    pace = max(_warm_up(query, rule.warm_up_seconds) for query in candidates.values())
    turn = max(1, min(100, round(TURN_SECONDS / pace)))
    alone = len(candidates) == 1
    tracks = {name: Track(name=name, rounds=[], at_s=[], wall_ms=[], cpu_ms=[]) for name in candidates}
    spent = dict.fromkeys(candidates, 0.0)
    watch, started = start_watch(), time.perf_counter_ns()
    round_number = 0
    while True:
        queries = min(len(track.wall_ms) for track in tracks.values())
        done = min(queries / rule.min_queries, min(spent.values()) / max(rule.min_seconds, 1e-9))
        progress(min(1.0, done))
        if done >= 1.0:
            return list(tracks.values()), watch.conditions()
        order = list(candidates)[:: -1 if round_number % 2 else 1]
        for name in order:
            watch.look()
            query, track = candidates[name], tracks[name]
            if not alone:
                query(round_number)
            for i in range(turn):
                cpu = time.process_time_ns()
                begin = time.perf_counter_ns()
                query(round_number * turn + i)
                end = time.perf_counter_ns()
                track.cpu_ms.append((time.process_time_ns() - cpu) / 1e6)
                track.wall_ms.append((end - begin) / 1e6)
                track.at_s.append((begin - started) / 1e9)
                track.rounds.append(round_number)
                spent[name] += (end - begin) / 1e9
        round_number += 1


def _warm_up(query: Callable[[int], None], seconds: float) -> float:
    """Run for `seconds` and at least 3 queries; seconds of the last query."""
    deadline = time.perf_counter() + seconds
    i = 0
    while True:
        begin = time.perf_counter()
        query(i)
        i += 1
        end = time.perf_counter()
        if end >= deadline and i >= 3:
            return end - begin
