"""What a bench leaves behind: every sample, the complete environment, and the figures drawn from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from edge.atomic import new_folder
from edge.bench.conditions import Conditions
from edge.bench.environment import Environment
from edge.bench.statistics import Samples, early_stopping, is_supported, percentile, queries_needed
from edge.errors import DataError, NoInputError

SCHEMA = 1
Settings = dict[str, str | int | float | bool | None]
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Timings of one thing, sample by sample in order of time. All lists are equally long.

    Attributes:
        name: what was timed.
        rounds: the interleaved round that each sample belongs to; tracks of one run share the numbers.
        at_s: start, seconds since the run began.
        wall_ms: duration.
        cpu_ms: CPU time of the process or thread that did it, or empty where it was not taken.
    """

    name: str
    rounds: list[int]
    at_s: list[float]
    wall_ms: list[float]
    cpu_ms: list[float]

    def wall(self) -> Samples:
        """Durations in milliseconds."""
        return np.asarray(self.wall_ms, np.float64)

    def cpu(self) -> Samples:
        """CPU times in milliseconds; empty where none were taken."""
        return np.asarray(self.cpu_ms, np.float64)

    def by_round(self, values: Samples) -> list[Samples]:
        """`values` cut where a new round begins."""
        edges = np.flatnonzero(np.diff(self.rounds)) + 1
        return list(np.split(values, edges))


def make_track(
    name: str,
    rounds: Iterable[float],
    at_s: Iterable[float],
    wall_ms: Iterable[float],
    cpu_ms: Iterable[float] = (),
) -> Track:
    """A track from arrays."""
    return Track(
        name=name,
        rounds=[int(value) for value in rounds],
        at_s=[round(float(value), 6) for value in at_s],
        wall_ms=[float(value) for value in wall_ms],
        cpu_ms=[float(value) for value in cpu_ms],
    )


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a track, milliseconds.

    Attributes:
        wall: min, p50 to p99.9 (nearest rank, as MLPerf; those that so many samples support), max, mean.
        cpu: the same of the CPU time, or None where it was not taken.
        early_stopping: MLPerf's 99 % upper bound of p90, p99 and p99.9, or how many samples it would need.
        tail: p99 over p50 of the wall time; None where there is no p99.
    """

    samples: int
    wall: dict[str, float]
    cpu: dict[str, float] | None
    early_stopping: dict[str, float | str]
    tail: float | None


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of two tracks of one interleaved run: `track` over `reference`, 95 % paired block bootstrap."""

    track: str
    reference: str
    metric: str
    ratio: float
    low: float
    high: float


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of one bench.

    Attributes:
        bench: "engine", "threads", "pipeline", "start", "glass" or "soak".
        created: ISO 8601, UTC.
        command: as typed.
        subject: what was measured, in words: bundle, model, engine, source.
        settings: what was asked for.
        reference: the track that the others of this run are divided by, or None.
        comparisons: those ratios.
        figures: other numbers of this bench, with their units in the names.
        series: figures minute by minute, of a soak; else empty.
        notes: what a reader must know before he believes the figures.
        summary: by track.
    """

    schema: int
    bench: str
    created: str
    sonocart: str
    command: list[str]
    subject: dict[str, str]
    settings: Settings
    environment: Environment
    conditions: Conditions
    reference: str | None
    comparisons: list[Comparison]
    figures: dict[str, float]
    series: dict[str, list[float]]
    notes: list[str]
    summary: dict[str, Summary]
    tracks: list[Track]

    def track(self, name: str) -> Track | None:
        """The track called `name`."""
        return next((track for track in self.tracks if track.name == name), None)


def supports(first: Track, second: Track, fraction: float) -> bool:
    """True if both tracks have samples enough for this percentile."""
    return is_supported(min(len(first.wall_ms), len(second.wall_ms)), fraction)


def summarise(track: Track) -> Summary:
    """Figures of a track."""
    wall = track.wall()
    figures = _figures(wall)
    return Summary(
        samples=len(wall),
        wall=figures,
        cpu=_figures(track.cpu()) if track.cpu_ms else None,
        early_stopping={name: _bound(wall, PERCENTILES[name]) for name in ("p90", "p99", "p99.9")},
        tail=round(figures["p99"] / figures["p50"], 3) if "p99" in figures else None,
    )


def _figures(samples: Samples) -> dict[str, float]:
    found = {"min": float(samples.min())}
    found |= {
        name: percentile(samples, fraction)
        for name, fraction in PERCENTILES.items()
        if name == "p50" or is_supported(len(samples), fraction)
    }
    found |= {"max": float(samples.max()), "mean": float(samples.mean())}
    return {name: round(value, 4) for name, value in found.items()}


def _bound(samples: Samples, fraction: float) -> float | str:
    estimate = early_stopping(samples, fraction)
    return f"needs {queries_needed(fraction)} samples" if estimate is None else round(estimate, 4)


def write_result(result: Result, report: str, folder: Path) -> None:
    """Write `result.json` and `report.html`; the folder appears complete or not at all.

    Raises:
        CannotCreateError: the folder exists and is not empty, or cannot be written.
    """
    with new_folder(folder, replace=False) as partial:
        (partial / "result.json").write_bytes(msgspec.json.encode(result) + b"\n")
        (partial / "report.html").write_text(report, encoding="utf-8")


def read_result(path: Path) -> Result:
    """Read what a bench wrote: the file, or the folder that it lies in.

    Raises:
        NoInputError: no such file.
        DataError: not a result, or of another schema.
    """
    if path.is_dir():
        path = path / "result.json"
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NoInputError(f"cannot read '{path}': {error.strerror}. Run: sonocart bench engine") from error
    try:
        result = msgspec.json.decode(raw, type=Result)
    except msgspec.MsgspecError as error:
        raise DataError(f"'{path}' is not a result of sonocart bench: {error}") from error
    if result.schema != SCHEMA:
        raise DataError(f"'{path}' has schema {result.schema}, this version reads {SCHEMA}; measure again")
    return result
