"""`sonocart bench soak`: does it stay as it began? Latency, drops, memory, descriptors, heat by minute."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.bench.conditions import LOOK_SECONDS, Watch, tree_memory_mb
from edge.bench.environment import read_environment
from edge.bench.product import Passage, Product
from edge.bench.result import SCHEMA, Result, Settings, make_track, now, summarise, version
from edge.bench.statistics import percentile
from edge.contract.bundle import Bundle
from edge.engines.base import Engine
from edge.errors import DataError, InternalError
from edge.outputs.page.hub import QUALITY
from edge.sources.base import FrameSource, Pace

MINUTE_SECONDS = 60.0
FIRST_SECONDS = 60.0
KEPT_PER_MINUTE = 500
"""Samples kept in the result; the percentiles of each minute are of all its frames."""


def measure_soak(
    bundle: Bundle,
    precision: str,
    source: FrameSource,
    open_engine: Callable[[], Engine],
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
    product = Product(bundle, precision, source, open_engine, Pace.LIVE, QUALITY)
    rows: list[dict[str, float]] = []
    kept: list[tuple[int, float]] = []
    watch = Watch()
    try:
        product.open()
        _await_first(product, source.info.name)
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
    series = {name: [row[name] for row in rows] for name in rows[0]}
    captured, dropped = product.capture.count, product.capture.frames.dropped
    lost = captured - product.timing.count("present") - dropped
    if lost:
        raise InternalError(f"{lost} of {captured} pictures were neither presented nor counted as dropped")
    pauses = product.timing.summary().get("gc")
    return Result(
        schema=SCHEMA,
        bench="soak",
        created=now(),
        sonocart=version(),
        command=["sonocart", *sys.argv[1:]],
        subject={
            "model": bundle.spec.name,
            "bundle": bundle.id,
            "precision": precision,
            "engine": product.engine,
            "source": f"{source.info.name}, {source.info.width}x{source.info.height}",
        },
        settings=settings,
        environment=read_environment(),
        conditions=watch.conditions(),
        reference=None,
        comparisons=[],
        figures={
            f"{name} an hour": round(60 * slope(series[name][1:]), 3)
            for name in ("memory, MB", "descriptors", "threads", "p50, ms", "p99, ms")
        }
        | {
            "pictures captured": float(captured),
            "pictures presented": float(captured - dropped),
            "pictures dropped": float(dropped),
            "longest collection, ms": 0.0 if pauses is None else round(pauses.max_ms, 3),
            "p99 collection, ms": 0.0 if pauses is None else round(pauses.p99_ms, 3),
        },
        series=series,
        notes=["Slopes are Theil and Sen's over the minutes after the first."],
        summary={track.name: summarise(track)},
        tracks=[track],
    )


def _await_first(product: Product, source: str) -> None:
    deadline = time.monotonic() + FIRST_SECONDS
    while not product.encoded and not product.ended:
        if time.monotonic() > deadline:
            raise DataError(
                f"{source} has given no picture for {FIRST_SECONDS:g} s; check it with sonocart run"
            )
        time.sleep(LOOK_SECONDS)


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
        "p99, ms": round(percentile(latencies, 0.99), 3),
        "p99.9, ms": round(percentile(latencies, 0.999), 3),
        "max, ms": round(float(latencies.max()), 3),
        "memory, MB": round(tree_memory_mb(os.getpid()), 1),
        "descriptors": float(len(list(Path("/proc/self/fd").iterdir()))),
        "threads": float(threading.active_count()),
    }
