"""`sonocart bench soak`: does it stay as it began? Latency, drops, memory, descriptors, heat by minute."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.bench.compose import compose, source_words
from edge.bench.conditions import LOOK_SECONDS, Watch, tree_own_memory_mb
from edge.bench.product import Passage, Product
from edge.bench.result import Result, Settings, make_track
from edge.bench.setup import Setup
from edge.bench.statistics import is_supported, percentile
from edge.bench.watching import await_first
from edge.errors import DataError, InternalError
from edge.outputs.page.pace import QUALITY
from edge.sources.base import FrameSource, Pace

MINUTE_SECONDS = 60.0
KEPT_PER_MINUTE = 500
"""Samples kept in the result; the percentiles of each minute are of all its frames."""

_TAILS = {"p99, ms": 0.99, "p99.9, ms": 0.999}


def measure_soak(
    setup: Setup,
    source: FrameSource,
    minutes: int,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Run the product at the source's rate for so many minutes, one viewer looking on.

    The slopes (Theil and Sen: the median of the slopes of all pairs) leave the first minute out, in which
    buffers fill and code is loaded.

    Raises:
        DataError: the source gave no picture, or ended.
        SonocartError: the source broke.
        InternalError: a picture was neither presented nor counted as dropped.
    """
    product = Product(setup, source, Pace.LIVE, QUALITY)
    rows: list[dict[str, float]] = []
    kept: list[tuple[int, float]] = []
    watch = Watch()
    try:
        product.open()
        await_first(product, source.info.name)
        for minute in range(minutes):
            begin = time.monotonic()
            dropped, risks = product.capture.frames.dropped, product.examination.risks
            while (passed := time.monotonic() - begin) < MINUTE_SECONDS and not product.ended:
                watch.look()
                progress((minute + passed / MINUTE_SECONDS) / minutes)
                time.sleep(LOOK_SECONDS)
            passages = product.journal.take_finished()
            if product.ended:
                break
            latencies = np.array([(p.encoded - p.came) / 1e6 for p in passages] or [0.0])
            kept += [(minute, float(v)) for v in latencies[:: 1 + len(latencies) // KEPT_PER_MINUTE]]
            rows.append(
                {
                    **_state(passages, latencies),
                    "dropped": float(product.capture.frames.dropped - dropped),
                    "risks a second": round((product.examination.risks - risks) / passed, 2),
                    **({"hottest, C": max(watch.celsius.values())} if watch.celsius else {}),
                }
            )
        failure = product.capture.failure
    finally:
        product.close()
    if failure is not None:
        raise failure
    if not rows:
        raise DataError(f"{source.info.name} ended within the first minute; a file is repeated by itself")
    track = make_track(
        "frame in to frame out",
        [minute for minute, _ in kept],
        [minute * MINUTE_SECONDS for minute, _ in kept],
        [value for _, value in kept],
    )
    series = by_minute(rows)
    captured, dropped = product.capture.count, product.capture.frames.dropped
    lost = captured - product.timing.count("present") - dropped
    if lost:
        raise InternalError(f"{lost} of {captured} pictures were neither presented nor counted as dropped")
    pauses = product.timing.summary().get("gc")
    return compose(
        "soak",
        setup.bundle,
        {
            "precision": setup.precision,
            "engine": product.engine,
            "source": source_words(source.info),
        },
        settings,
        watch.conditions(),
        [track],
        figures={
            f"{name} an hour": round(60 * slope(series[name][1:]), 3)
            for name in ("memory, MB", "descriptors", "threads", "p50, ms", "p99, ms")
            if name in series
        }
        | {
            "pictures captured": float(captured),
            "pictures presented": float(captured - dropped),
            "pictures dropped": float(dropped),
            "longest collection, ms": 0.0 if pauses is None else round(pauses.max_ms, 3),
        }
        | (
            {} if pauses is None or pauses.p99_ms is None else {"p99 collection, ms": round(pauses.p99_ms, 3)}
        ),
        series=series,
        notes=[
            "Slopes are Theil and Sen's over the minutes after the first. Memory is what the processes have "
            "of their own, without the pages of libraries that other programs share.",
        ],
    )


def by_minute(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Each figure of all minutes, without the percentiles that the shortest of them cannot support."""
    least = int(min(row["frames"] for row in rows))
    return {
        name: [row[name] for row in rows]
        for name in rows[0]
        if name not in _TAILS or is_supported(least, _TAILS[name])
    }


def slope(values: Sequence[float]) -> float:
    """Median of the slopes of all pairs, a unit of time between neighbours; 0 for fewer than two values."""
    y = np.asarray(values, np.float64)
    first, second = np.triu_indices(len(y), 1)
    return float(np.median((y[second] - y[first]) / (second - first))) if len(first) else 0.0


def _state(
    passages: Sequence[Passage], latencies: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, float]:
    return {
        "frames": float(len(passages)),
        "p50, ms": round(percentile(latencies, 0.5), 3),
        **{name: round(percentile(latencies, fraction), 3) for name, fraction in _TAILS.items()},
        "max, ms": round(float(latencies.max()), 3),
        "memory, MB": round(tree_own_memory_mb(os.getpid()), 1),
        "descriptors": float(len(list(Path("/proc/self/fd").iterdir()))),
        "threads": float(threading.active_count()),
    }
