"""Loops that take turns in one run: each plays some frames, then rests while the others play theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from edge.bench.conditions import Watch
from edge.bench.result import Track

MIN_ROUNDS = 10
REST_SECONDS = 0.05
"""Between turns, so that what a loop leaves behind (workers that spin, decoders ahead) falls on nobody."""

Clock = Callable[[], int]


def take_turns(
    loops: Mapping[str, Callable[[int], None]],
    frames: int,
    seconds: float,
    watch: Watch,
    progress: Callable[[float], None],
    elsewhere: Mapping[str, Clock],
) -> list[Track]:
    """Let every loop play `frames` frames per round, odd rounds backwards, for `seconds` and `MIN_ROUNDS`.

    Args:
        loops: by name, a function that plays so many frames to their end.
        frames: in a turn.
        seconds: of the whole run, at least.
        watch: looks at the machine between turns.
        progress: told the part that is done, 0 to 1.
        elsewhere: by loop, CPU time in nanoseconds of processes that work for it alone; what they do after
            its turn, decoding ahead, is counted too.

    Returns:
        One track per loop; a sample is a turn's wall and CPU time over its frames.
    """
    for play in loops.values():
        play(frames)
    marks: dict[str, list[int]] = {name: [] for name in elsewhere}
    tracks = {name: Track(name=name, rounds=[], at_s=[], wall_ms=[], cpu_ms=[]) for name in loops}
    started = time.perf_counter()
    number = 0
    while True:
        passed = time.perf_counter() - started
        done = min(1.0, passed / seconds, number / MIN_ROUNDS)
        progress(done)
        if done >= 1.0:
            break
        for name in list(loops)[:: -1 if number % 2 else 1]:
            watch.look()
            time.sleep(REST_SECONDS)
            track = tracks[name]
            if name in elsewhere:
                marks[name].append(elsewhere[name]())
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            loops[name](frames)
            track.wall_ms.append((time.perf_counter_ns() - wall) / 1e6 / frames)
            track.cpu_ms.append((time.process_time_ns() - cpu) / 1e6 / frames)
            track.at_s.append(wall / 1e9 - started)
            track.rounds.append(number)
        number += 1
    for name, clock in elsewhere.items():
        spent = np.diff([*marks[name], clock()]) / 1e6 / frames
        tracks[name].cpu_ms[:] = [
            own + float(other) for own, other in zip(tracks[name].cpu_ms, spent, strict=True)
        ]
    return list(tracks.values())
