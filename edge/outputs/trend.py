"""Which way the risk has gone over the last seconds."""

from __future__ import annotations

from collections import deque

SPAN_NS = 2_000_000_000
CHANGE = 0.05
"""Of the risk, over `SPAN_NS`; less is steady."""


class Trend:
    """Fed with each risk that is shown, and told when there is none."""

    def __init__(self) -> None:
        """Steady, for want of a past."""
        self._risks: deque[tuple[int, float]] = deque()

    def forget(self) -> None:
        """No risk: what comes next is not compared with what was before."""
        self._risks.clear()

    def look(self, at_ns: int, risk: float) -> int:
        """1 for rising, -1 for falling, 0 for steady or not yet known."""
        self._risks.append((at_ns, risk))
        while len(self._risks) > 1 and at_ns - self._risks[1][0] >= SPAN_NS:
            self._risks.popleft()
        began_ns, before = self._risks[0]
        if at_ns - began_ns < SPAN_NS or abs(risk - before) < CHANGE:
            return 0
        return 1 if risk > before else -1
