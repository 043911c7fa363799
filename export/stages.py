"""What the time of a training goes to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Wall seconds by stage, in the order of first use.

    Kernels of a GPU run behind the program's back: there a stage is charged with what it waits for.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge the body to `name`; stages do not nest."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def table(self) -> str:
        """One line a stage with its share of all."""
        total = sum(self.seconds.values()) or 1.0
        lines = [
            f"{name:<16}{seconds:>8.1f} s  {seconds / total:>6.1%}" for name, seconds in self.seconds.items()
        ]
        return "\n".join([*lines, f"{'all':<16}{total:>8.1f} s"])
