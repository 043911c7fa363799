"""Percentiles, MLPerf's early-stopping estimate, and the bootstrap for samples that depend on each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

REPLICATES = 1000
CONFIDENCE = 0.99
"""Of the early-stopping estimate, as in MLPerf's LoadGen."""


def percentile(samples: Samples, fraction: float) -> float:
    """Nearest rank as MLPerf's LoadGen takes it: `sorted[int(n * fraction)]`, without interpolation."""
    return float(np.partition(samples, rank := int(len(samples) * fraction))[rank])


def is_supported(count: int, fraction: float) -> bool:
    """True if one of `count` samples is expected above this percentile; else it is the largest's name."""
    return round(count * (1 - fraction), 9) >= 1


def early_stopping(samples: Samples, fraction: float) -> float | None:
    """Upper confidence bound of a latency percentile from a run of this length.

    MLPerf Inference rules, appendix Early Stopping, and LoadGen's results.cc with tolerance 0: among n
    queries the number above the true percentile is binomial (n, 1 - fraction). t is the largest number for
    which P(at most t) < 1 - CONFIDENCE; the estimate is the t-th largest latency, so it tends to the
    percentile from above as n grows. It assumes independent queries; where neighbours in time are alike the
    bound is less sure than 99 %.

    Returns:
        The estimate, or None where n is too small for t = 1 (`queries_needed`).
    """
    n = len(samples)
    t = _discardable(n, fraction)
    return float(np.partition(samples, n - t)[n - t]) if t else None


def queries_needed(fraction: float) -> int:
    """The smallest run for which `early_stopping` gives an estimate of this percentile."""
    n = 2
    while fraction**n + n * (1 - fraction) * fraction ** (n - 1) >= 1 - CONFIDENCE:  # P(Binomial <= 1)
        n += 1
    return n


def _discardable(n: int, fraction: float) -> int:
    """Largest t with P(Binomial(n, 1 - fraction) <= t) < 1 - CONFIDENCE, or 0."""
    total, t = 0.0, -1
    while t < n:
        following = t + 1
        total += math.exp(
            math.lgamma(n + 1)
            - math.lgamma(following + 1)
            - math.lgamma(n - following + 1)
            + following * math.log(1 - fraction)
            + (n - following) * math.log(fraction)
        )
        if total >= 1 - CONFIDENCE:
            break
        t = following
    return max(t, 0)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`value` = measured over reference, with its confidence interval."""

    value: float
    low: float
    high: float


def block_length(series: Samples) -> int:
    """How many neighbours hang together: 1 + 2 * the sum of autocorrelations while they are positive.

    The integrated autocorrelation time with Geyer's cut (Practical Markov Chain Monte Carlo, 1992), at most a
    tenth of the series, so that there are blocks enough to draw from.
    """
    centred = series - series.mean()
    power = float(centred @ centred)
    limit = max(1, len(series) // 10)
    if power == 0.0:
        return 1
    total = 0.0
    for lag in range(1, limit):
        correlation = float(centred[:-lag] @ centred[lag:]) / power
        if correlation <= 0.0:
            break
        total += correlation
    return min(limit, math.ceil(1 + 2 * total))


def ratio(
    measured: Sequence[Samples],
    reference: Sequence[Samples],
    statistic: Callable[[Samples], float],
    *,
    paired: bool,
    level: float = 0.95,
    seed: int = 0,
) -> Ratio:
    """`statistic` of one series over that of another, with a block bootstrap interval.

    Args:
        measured: samples by round, in order of time.
        reference: the same of the peer.
        statistic: of the pooled samples of the drawn rounds.
        paired: round i of both ran side by side, so the same rounds are drawn for both and what disturbed the
            machine cancels.
        level: of the interval.
        seed: of the draws.

    Returns:
        The ratio. Its interval is exp(log ratio +- z * standard deviation of the replicates' log ratios);
        circular blocks of rounds are drawn (Politis and Romano 1992) because neighbours in time resemble
        each other.
    """
    random = np.random.default_rng(seed)
    value = statistic(np.concatenate(measured)) / statistic(np.concatenate(reference))
    centres, peers = _centres(measured), _centres(reference)
    blocks = (centres - peers,) if paired else (centres, peers)
    lengths = [block_length(series) for series in blocks]
    spread = np.empty(REPLICATES)
    for i in range(REPLICATES):
        drawn = [_draw(len(series), length, random) for series, length in zip(blocks, lengths, strict=True)]
        above = statistic(np.concatenate([measured[k] for k in drawn[0]]))
        below = statistic(np.concatenate([reference[k] for k in drawn[-1]]))
        spread[i] = math.log(above / below)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * float(spread.std())
    return Ratio(value, value * math.exp(-reach), value * math.exp(reach))


def _centres(rounds: Sequence[Samples]) -> Samples:
    return np.log([float(np.median(samples)) for samples in rounds])


def _draw(count: int, length: int, random: np.random.Generator) -> NDArray[np.intp]:
    starts = random.integers(0, count, math.ceil(count / length))
    indices = (starts[:, None] + np.arange(length)[None, :]).ravel()[:count] % count
    return indices.astype(np.intp)
