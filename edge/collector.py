"""Keeps Python's garbage collector from stopping a frame, and measures what it still costs."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edge.timing import Timing


@contextmanager
def calm_collector(timing: Timing) -> Iterator[None]:
    """Within the block everything that exists now is left out of all collections.

    What a running loop makes is short-lived and free of cycles: collections then look at some thousand
    objects instead of all modules, models and fonts. They stay on, since a library may well make cycles.

    Args:
        timing: receives the stage "gc", the pause of each collection.
    """
    begun = [0, 0]

    def measure(phase: str, info: dict[str, int]) -> None:  # noqa: ARG001 - gc.callbacks gives it
        if phase == "start":
            begun[:] = time.perf_counter_ns(), time.thread_time_ns()
        else:
            timing.add("gc", time.perf_counter_ns() - begun[0], time.thread_time_ns() - begun[1])

    gc.collect()
    gc.freeze()
    gc.callbacks.append(measure)
    try:
        yield
    finally:
        gc.callbacks.remove(measure)
        gc.unfreeze()
