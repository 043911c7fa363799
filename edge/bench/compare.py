"""`sonocart bench compare`: is the second run slower than the first, beyond what noise explains?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.bench.result import Result, Track, supports
from edge.bench.statistics import Ratio, Samples, percentile, ratio
from edge.errors import DataError

QUIET_SHARE = 0.05
"""Where others and the hypervisor took more than this of the machine, wall times of two runs are not
compared: on shared machines they move by whole factors while CPU times barely do."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one track in both runs.

    Attributes:
        normalised: each run was first divided by its own reference track, so the machine's state cancels.
        verdict: "slower", "faster", "same" (within the tolerance) or "unclear" (the interval is too wide).
    """

    track: str
    metric: str
    normalised: bool
    before_ms: float
    after_ms: float
    ratio: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rows, what was not judged and why, and what differs between the runs besides the code."""

    rows: tuple[Row, ...]
    skipped: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """True if any row is slower."""
        return any(row.verdict == "slower" for row in self.rows)


def compare_results(before: Result, after: Result, tolerance: float) -> Verdict:
    """Judge every track that both results have.

    A metric is slower if the lower end of the ratio's interval is above 1 + `tolerance`. The intervals come
    from a block bootstrap over rounds and are widened (Bonferroni) so that all of them together hold with
    95 %. The bootstrap knows the noise within a run; what differs between two runs of the same build is for
    the tolerance. Where both runs have the same reference track, each is divided by it round by round first.

    Raises:
        DataError: different benches, or no track in common.
    """
    if before.bench != after.bench:
        raise DataError(f"cannot compare a result of bench {before.bench} with one of bench {after.bench}")
    names = [track.name for track in after.tracks if before.track(track.name) is not None]
    if not names:
        raise DataError(
            f"the results have no track in common: {', '.join(t.name for t in before.tracks)} against "
            f"{', '.join(t.name for t in after.tracks)}"
        )
    reference = before.reference if before.reference == after.reference else None
    quiet = all(
        result.conditions.others_share + result.conditions.steal_share <= QUIET_SHARE
        for result in (before, after)
    )
    jobs = []
    for name in names:
        if name == reference:
            continue
        first, second = _require(before, name), _require(after, name)
        peers = (_require(before, reference), _require(after, reference)) if reference else None
        # Only tracks with the reference's rounds can be divided by it.
        if peers and {len(set(first.rounds)) == len(set(peers[0].rounds)),
                      len(set(second.rounds)) == len(set(peers[1].rounds))} != {True}:  # fmt: skip
            peers = None
        if quiet or peers:
            jobs.append((name, "wall p50", Track.wall, _median, first, second, peers))
        if quiet and not peers and supports(first, second, 0.99):
            jobs.append((name, "wall p99", Track.wall, _p99, first, second, peers))
        if first.cpu_ms and second.cpu_ms:
            jobs.append((name, "cpu mean", Track.cpu, _mean, first, second, peers))
    level = 1 - (1 - CONFIDENCE) / max(1, len(jobs))
    skipped = () if quiet else (
        f"wall times without a reference: others took more than {QUIET_SHARE:.0%} of a machine",
    )  # fmt: skip
    rows = tuple(_row(*job, level=level, tolerance=tolerance) for job in jobs)
    return Verdict(rows, skipped, tuple(_differences(before, after)))


def _require(result: Result, name: str) -> Track:
    track = result.track(name)
    if track is None:
        raise DataError(f"the result of {result.created} names '{name}' as reference but does not hold it")
    return track


def _row(
    name: str,
    metric: str,
    values: Callable[[Track], Samples],
    statistic: Callable[[Samples], float],
    first: Track,
    second: Track,
    peers: tuple[Track, Track] | None,
    *,
    level: float,
    tolerance: float,
) -> Row:
    before, after = first.by_round(values(first)), second.by_round(values(second))
    if peers is not None:
        before = _divided(before, peers[0].by_round(values(peers[0])), statistic)
        after = _divided(after, peers[1].by_round(values(peers[1])), statistic)
    found = ratio(after, before, statistic, paired=False, level=level)
    return Row(
        track=name,
        metric=metric,
        normalised=peers is not None,
        before_ms=statistic(values(first)),
        after_ms=statistic(values(second)),
        ratio=found.value,
        low=found.low,
        high=found.high,
        verdict=_verdict(found, tolerance),
    )


def _divided(
    rounds: Sequence[Samples], peers: Sequence[Samples], statistic: Callable[[Samples], float]
) -> list[Samples]:
    return [samples / statistic(peer) for samples, peer in zip(rounds, peers, strict=True)]


def _verdict(found: Ratio, tolerance: float) -> str:
    if found.low > 1 + tolerance:
        return "slower"
    if found.high < 1 / (1 + tolerance):
        return "faster"
    if found.high <= 1 + tolerance:
        return "same"
    return "unclear"


def _differences(before: Result, after: Result) -> list[str]:
    found = [
        f"{field}: {getattr(before.environment, field)} before, {getattr(after.environment, field)} after"
        for field in before.environment.__struct_fields__
        if getattr(before.environment, field) != getattr(after.environment, field)
    ]
    keys = sorted({*before.subject, *after.subject})
    found += [
        f"{key}: {before.subject.get(key)} before, {after.subject.get(key)} after"
        for key in keys
        if before.subject.get(key) != after.subject.get(key)
    ]
    for result, word in ((before, "before"), (after, "after")):
        found += [f"{name} throttled {word}" for name in result.conditions.throttled]
    return found


def _median(samples: Samples) -> float:
    return percentile(samples, 0.5)


def _p99(samples: Samples) -> float:
    return percentile(samples, 0.99)


def _mean(samples: Samples) -> float:
    return float(np.mean(samples))
