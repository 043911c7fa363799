"""`sonocart bench pipeline --pace live`: latency of a frame at the source's own rate."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edge.bench.compose import compose, source_words
from edge.bench.product import Passage, Product
from edge.bench.result import Result, Settings, Track, make_track
from edge.bench.setup import Setup
from edge.bench.watching import await_first, watch_pictures
from edge.errors import DataError
from edge.outputs.page.pace import QUALITY
from edge.sources.base import FrameSource, Pace

STAGES = ("look", "prepare", "draw", "present", "planes", "jpeg")
TRACKS = ("frame in to presented", "frame in to frame out", "age of the estimate")
WARM_UP_SECONDS = 3.0
ROUND_SECONDS = 1.0


def measure_live(
    setup: Setup,
    source: FrameSource,
    seconds: float,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Run the product at the source's rate, the network at its own, one viewer looking on.

    Args:
        setup: the network and how it is run.
        source: opened in LIVE pace; closed at the end.
        seconds: measured, after the first picture and a warm-up; longer where few pictures come.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        DataError: the source gave no picture, or ended before anything was measured.
    """
    product = Product(setup, source, Pace.LIVE, QUALITY)
    try:
        product.open()
        await_first(product, source.info.name)
        time.sleep(WARM_UP_SECONDS)
        since = {name: product.timing.count(name) for name in (*STAGES, "infer")}
        begin_ns, dropped = time.monotonic_ns(), product.capture.frames.dropped
        conditions = watch_pictures(product, source.info.name, seconds, progress)
        dropped = product.capture.frames.dropped - dropped
        samples = {name: product.timing.samples(name, count) for name, count in since.items()}
    finally:
        product.close()
    passages = [p for _, p in sorted(product.journal.passages.items()) if p.came >= begin_ns and p.presented]
    if len(passages) < 2:
        raise DataError(f"{source.info.name} ended during the warm-up of {WARM_UP_SECONDS:g} s")
    tracks = [*_passage_tracks(passages, begin_ns), *_stage_tracks(samples)]
    span = (passages[-1].presented - passages[0].presented) / 1e9
    return compose(
        "pipeline",
        setup.bundle,
        {
            "precision": setup.precision,
            "engine": product.engine,
            "source": source_words(source.info),
        },
        settings,
        conditions,
        tracks,
        figures={
            "presented a second": round((len(passages) - 1) / span, 2),
            "risks a second": round(len(samples["infer"]) / span, 2),
            "dropped before they were presented": float(dropped),
            "CPU ms a frame": round(conditions.own_cpu_seconds * 1000 / len(passages), 3),
        },
        notes=[
            "Frame in: the source has delivered it. Presented: it carries the overlay and was handed to the "
            "outputs. Frame out: its JPEG is made, in a thread beside. Age: of the newest frame in the "
            "estimate that was drawn. Interval: between two presented frames.",
            "The network takes the newest frame whenever it is free and is never waited for.",
        ],
    )


def _passage_tracks(passages: list[Passage], begin_ns: int) -> list[Track]:
    came, presented, encoded = (
        np.array([getattr(p, name) for p in passages], np.int64) for name in ("came", "presented", "encoded")
    )
    ages = np.array([np.nan if p.age_ms is None else p.age_ms for p in passages])
    out, aged = encoded > 0, ~np.isnan(ages)
    at = (came - begin_ns) / 1e9
    spans = {
        "frame in to presented": (at, (presented - came) / 1e6),
        "frame in to frame out": (at[out], (encoded - came)[out] / 1e6),
        "age of the estimate": (at[aged], ages[aged]),
        "interval": (at[1:], np.diff(presented) / 1e6),
    }
    return [
        make_track(name, (when // ROUND_SECONDS).astype(int), when, wall)
        for name, (when, wall) in spans.items()
        if len(wall)
    ]


def _stage_tracks(samples: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]]) -> list[Track]:
    return [
        make_track(name, range(len(times)), range(len(times)), times[:, 0], times[:, 1])
        for name, times in samples.items()
        if len(times)
    ]
