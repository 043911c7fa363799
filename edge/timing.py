"""What each stage of a frame's way costs: wall time and the CPU time of the thread that does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 15
"""Samples kept a stage, the newest; 9 minutes of 60 frames a second in 512 KiB."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Of one stage: how often it ran, percentiles of its wall time, CPU time of its own thread, in ms."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float  # mean


class _Samples:
    """A ring of (wall, cpu) in nanoseconds. One thread writes it."""

    def __init__(self) -> None:
        self.ring: NDArray[np.int64] = np.empty((CAPACITY, 2), np.int64)
        self.count = 0

    def add(self, wall_ns: int, cpu_ns: int) -> None:
        self.ring[self.count % CAPACITY] = wall_ns, cpu_ns
        self.count += 1


class Timing:
    """Samples by stage. A stage belongs to one thread; reading while it runs may miss the newest sample."""

    def __init__(self) -> None:
        self._stages: dict[str, _Samples] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the body, also when it raises nothing; a body that raises is not counted."""
        samples = self._stages.setdefault(name, _Samples())
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        yield
        samples.add(time.perf_counter_ns() - wall, time.thread_time_ns() - cpu)

    def add(self, name: str, wall_ns: int, cpu_ns: int) -> None:
        """A sample that was measured elsewhere."""
        self._stages.setdefault(name, _Samples()).add(wall_ns, cpu_ns)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names, in the order of first use."""
        return tuple(self._stages)

    def count(self, name: str) -> int:
        """How often a stage has run."""
        samples = self._stages.get(name)
        return 0 if samples is None else samples.count

    def samples(self, name: str, since: int) -> NDArray[np.float64]:
        """What is kept of a stage after its first `since` samples: (n, 2) wall and CPU, milliseconds."""
        samples = self._stages.get(name)
        if samples is None:
            return np.empty((0, 2))
        numbers = np.arange(max(since, samples.count - CAPACITY), samples.count)
        return samples.ring[numbers % CAPACITY] / 1e6

    def summary(self) -> dict[str, StageTimes]:
        """Percentiles of every stage that ran, in the order of first use."""
        found = {}
        for name, samples in list(self._stages.items()):
            if not samples.count:
                continue
            wall, cpu = samples.ring[: min(samples.count, CAPACITY)].T / 1e6
            found[name] = StageTimes(
                samples.count,
                float(np.percentile(wall, 50)),
                float(np.percentile(wall, 99)),
                float(wall.max()),
                float(cpu.mean()),
            )
        return found
