"""Latency of a bundle's precisions on this machine, by the bench's own rule."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from calibration.track import Track
from edge.bench.engine import measure_engines
from edge.bench.result import Result
from edge.bench.rule import Rule
from edge.contract.bundle import Bundle
from edge.engines.choose import open_engine

_STEPS = 100


def measure(bundle: Bundle, precisions: Sequence[str], rule: Rule, track: Track) -> Result:
    """Interleaved single-stream runs; one precision alone where energy is to be told apart.

    Args:
        bundle: verified.
        precisions: the first is the reference of the ratios.
        rule: how long.
        track: for the progress bar.

    Raises:
        InternalError: an engine does not give the golden outputs.
    """
    step = track(f"latency {', '.join(precisions)}", _STEPS)
    shown = 0

    def progress(part: float) -> None:
        nonlocal shown
        while shown < int(part * _STEPS):
            step()
            shown += 1

    threads = max(1, len(os.sched_getaffinity(0)) // 2)  # as the daemon: the others capture and draw
    settings: dict[str, str | int | float | bool | None] = {
        "threads": threads,
        "min_queries": rule.min_queries,
        "min_seconds": rule.min_seconds,
    }
    return measure_engines(
        bundle, precisions, partial(open_engine, bundle, threads=threads), rule, settings, progress
    )
