"""When a measurement is long enough."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """When a run is long enough, per candidate."""

    min_queries: int
    min_seconds: float
    warm_up_seconds: float = 1.0


STANDARD = Rule(min_queries=1000, min_seconds=10.0)
