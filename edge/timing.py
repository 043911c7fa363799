"""What each stage of a frame's way costs: wall time and the CPU time of the thread that does it."""

from __future__ import annotations

import time
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
    p99_ms: float | None  # of 100 and more
    max_ms: float
    cpu_ms: float  # mean

    @property
    def words(self) -> str:
        """The median, and the 99th percentile or, of fewer than 100, the largest."""
        tail = f"max {self.max_ms:.1f}" if self.p99_ms is None else f"p99 {self.p99_ms:.1f}"
        return f"p50 {self.p50_ms:.1f} {tail} ms"


class _Samples:
    """A ring of (wall, cpu) in nanoseconds. One thread writes it."""

    def __init__(self) -> None:
        self.ring: NDArray[np.int64] = np.empty((CAPACITY, 2), np.int64)
        self.count = 0
        self._flat = self.ring.ravel().data  # an array takes ten times as long to write two numbers

    def add(self, wall_ns: int, cpu_ns: int) -> None:
        place = 2 * (self.count % CAPACITY)
        self._flat[place], self._flat[place + 1] = wall_ns, cpu_ns
        self.count += 1


class Stage:
    """A `with` block that is measured; one that raises is not counted."""

    __slots__ = ("_cpu", "_samples", "_wall")

    def __init__(self, samples: _Samples) -> None:
        self._samples = samples

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter_ns(), time.thread_time_ns()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._samples.add(time.perf_counter_ns() - self._wall, time.thread_time_ns() - self._cpu)


class Timing:
    """Samples by stage. A stage belongs to one thread; reading while it runs may miss the newest sample."""

    def __init__(self) -> None:
        self._stages: dict[str, _Samples] = {}

    def stage(self, name: str) -> Stage:
        """Measure the body of a `with`; a body that raises is not counted."""
        return Stage(self._of(name))

    def add(self, name: str, wall_ns: int, cpu_ns: int) -> None:
        """A sample that was measured elsewhere."""
        self._of(name).add(wall_ns, cpu_ns)

    def _of(self, name: str) -> _Samples:
        samples = self._stages.get(name)
        return self._stages.setdefault(name, _Samples()) if samples is None else samples

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
                float(np.percentile(wall, 99)) if len(wall) >= 100 else None,
                float(wall.max()),
                float(cpu.mean()),
            )
        return found
