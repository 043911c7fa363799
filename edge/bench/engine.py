"""`sonocart bench engine`: latency of one engine, or of several precisions side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.bench.compose import compose
from edge.bench.measure import single_stream
from edge.bench.result import Comparison, Result, Settings, Track, supports
from edge.bench.rule import STANDARD, Rule
from edge.bench.statistics import percentile, ratio
from edge.contract.bundle import Bundle
from edge.engines.base import Engine, TimedEngine
from edge.engines.golden import check_golden, read_golden_tensors

PHASE_QUERIES = 200
"""How many further queries are run with events around the transfers. They are not part of the latency: an
event in the stream costs time itself."""


def measure_engines(
    bundle: Bundle,
    precisions: Sequence[str],
    open_engine: Callable[[str], Engine],
    rule: Rule,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Time the bundle's engines with MLPerf's single-stream rules over the golden tensors.

    Each engine must first give the golden outputs: a wrong engine is not measured. What is timed is
    `Engine.infer`: from the uint8 tensor in host memory to risk and heat map in host memory.

    Args:
        bundle: verified.
        precisions: one, or several to be interleaved; the first is the reference of the ratios.
        open_engine: for a precision.
        rule: how long.
        settings: for the record.
        progress: told the part that is done, 0 to 1.

    Raises:
        NoInputError: the bundle lacks a precision.
        InternalError: an engine does not give the golden outputs.
    """
    tensors = read_golden_tensors(bundle)
    engines: dict[str, Engine] = {}
    try:
        for precision in precisions:
            engines[precision] = open_engine(precision)
            check_golden(bundle, engines[precision], precision)
        tracks, conditions = single_stream(
            {precision: query(engine, tensors) for precision, engine in engines.items()}, rule, progress
        )
        overheads = {}
        for track, (precision, engine) in zip(tuple(tracks), engines.items(), strict=True):
            if isinstance(engine, TimedEngine):
                phases = _phases(precision, engine, tensors)
                tracks += phases
                overheads[f"{precision} graph replay overhead, ms"] = _overhead(track, phases)
        names = {precision: engine.name for precision, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.close()
    joules = {
        f"{name} millijoule per query": round(1000 * value / len(tracks[0].wall_ms), 3)
        for name, value in conditions.joules.items()
        if len(precisions) == 1
    }
    return compose(
        "engine",
        bundle,
        {
            **{f"engine {precision}": name for precision, name in names.items()},
        },
        settings,
        conditions,
        tracks,
        reference=precisions[0] if len(precisions) > 1 else None,
        comparisons=[
            comparison
            for track in tracks[1 : len(precisions)]
            for comparison in compare_tracks(track, tracks[0])
        ],
        figures=joules | overheads,
        notes=_notes(rule),
    )


def compare_tracks(track: Track, reference: Track) -> list[Comparison]:
    """Ratios of two tracks whose rounds ran side by side."""
    metrics = {
        "wall p50": (Track.wall, lambda samples: percentile(samples, 0.5)),
        "wall p99": (Track.wall, lambda samples: percentile(samples, 0.99)),
        "cpu mean": (Track.cpu, lambda samples: float(samples.mean())),
    }
    found = []
    if not supports(track, reference, 0.99):
        del metrics["wall p99"]
    for metric, (values, statistic) in metrics.items():
        result = ratio(
            track.by_round(values(track)),
            reference.by_round(values(reference)),
            statistic,
            paired=True,
        )
        found.append(
            Comparison(
                track=track.name,
                reference=reference.name,
                metric=metric,
                ratio=round(result.value, 4),
                low=round(result.low, 4),
                high=round(result.high, 4),
            )
        )
    return found


def query(engine: Engine, tensors: NDArray[np.uint8]) -> Callable[[int], None]:
    """Asks `engine` about one of `tensors`, uint8 (N, 1, height, width), after the other."""

    def ask(i: int) -> None:
        k = i % len(tensors)
        engine.infer(tensors[k : k + 1])

    return ask


def _overhead(whole: Track, phases: Sequence[Track]) -> float:
    """Median time of a query beyond what the device itself works: preparing, launching the graph, waking."""
    device = sum(float(np.median(phase.wall_ms)) for phase in phases)
    return round(float(np.median(whole.wall_ms)) - device, 4)


def _phases(precision: str, engine: TimedEngine, tensors: NDArray[np.uint8]) -> list[Track]:
    found: dict[str, list[float]] = {"transfer in": [], "compute": [], "transfer out": []}
    for i in range(PHASE_QUERIES):
        k = i % len(tensors)
        phases = engine.infer_timed(tensors[k : k + 1])[1]
        for values, value in zip(
            found.values(), (phases.transfer_in_ms, phases.compute_ms, phases.transfer_out_ms), strict=True
        ):
            values.append(value)
    return [
        Track(
            name=f"{precision} {name}",
            rounds=list(range(PHASE_QUERIES)),
            at_s=[float(i) for i in range(PHASE_QUERIES)],
            wall_ms=values,
            cpu_ms=[],
        )
        for name, values in found.items()
    ]


def _notes(rule: Rule) -> list[str]:
    notes = [
        "Single stream: the next query is sent when the last has returned. Percentiles are nearest rank; the "
        "early-stopping figures are MLPerf's 99 % upper bounds, which assume independent queries.",
        "CPU time is the whole process's.",
    ]
    if rule.min_queries < STANDARD.min_queries or rule.min_seconds < STANDARD.min_seconds:
        notes.append(
            f"Shorter than the rule of {STANDARD.min_queries} queries and {STANDARD.min_seconds:g} s: "
            "a trial, not a result."
        )
    return notes
