"""Every figure of a two-class test from one confusion matrix, and the AUC, each with its 95 % interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

Z95 = float(norm.ppf(0.975))


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its 95 % confidence interval; NaN where nothing was counted."""

    value: float
    low: float
    high: float

    def json(self) -> dict[str, float | None]:
        """For `json.dumps`; null where nothing was counted."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: None if math.isnan(number) else round(number, 4) for name, number in pairs}

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "  -"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def wilson(hits: int, trials: int) -> Figure:
    """A proportion with Wilson's score interval (Wilson 1927; Newcombe 1998, method 3)."""
    if trials == 0:
        return Figure(math.nan, math.nan, math.nan)
    share = hits / trials
    centre = share + Z95**2 / (2 * trials)
    spread = Z95 * math.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    scale = 1 + Z95**2 / trials
    # The limits at 0 and 1 are exact; rounding must not push the estimate outside its interval.
    low = 0.0 if hits == 0 else (centre - spread) / scale
    high = 1.0 if hits == trials else (centre + spread) / scale
    return Figure(share, low, high)


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Counts at one threshold; malignant is positive. All proportions come from these four numbers."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @classmethod
    def at(cls, malignant: ArrayLike, risks: ArrayLike, threshold: float) -> ConfusionMatrix:
        """Count decisions `risk >= threshold` against the truth; arrays of equal length."""
        truth = np.asarray(malignant, bool)
        called = np.asarray(risks, np.float64) >= threshold
        return cls(
            int((truth & called).sum()),
            int((~truth & called).sum()),
            int((~truth & ~called).sum()),
            int((truth & ~called).sum()),
        )

    @property
    def malignant(self) -> int:
        """Number of truly malignant images."""
        return self.true_positive + self.false_negative

    @property
    def benign(self) -> int:
        """Number of truly benign images."""
        return self.true_negative + self.false_positive

    def figures(self) -> dict[str, Figure]:
        """Accuracy, sensitivity, specificity, PPV and NPV with Wilson intervals."""
        called = self.true_positive + self.false_positive
        cleared = self.true_negative + self.false_negative
        return {
            "accuracy": wilson(self.true_positive + self.true_negative, called + cleared),
            "sensitivity": wilson(self.true_positive, self.malignant),
            "specificity": wilson(self.true_negative, self.benign),
            "ppv": wilson(self.true_positive, called),
            "npv": wilson(self.true_negative, cleared),
        }


def auc(malignant: ArrayLike, scores: ArrayLike) -> Figure:
    """Area under the ROC curve with DeLong's interval, cut to 0..1.

    DeLong, DeLong, Clarke-Pearson 1988, computed from mid-ranks (Sun and Xu 2014). At an area of 1 the
    variance is 0 and the interval has no width: read it beside n.
    """
    area, variance = delong(malignant, np.asarray(scores, np.float64)[None])
    spread = Z95 * math.sqrt(max(0.0, float(variance[0, 0])))
    return Figure(float(area[0]), max(0.0, float(area[0]) - spread), min(1.0, float(area[0]) + spread))


def delong(
    malignant: ArrayLike, scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas under the ROC curves of several scores of the same images, and their covariance matrix.

    Args:
        malignant: truth, (N,).
        scores: (K, N), one row a classifier.

    Returns:
        Areas (K,) and covariance (K, K); NaN covariance where a class has fewer than two images.
    """
    truth = np.asarray(malignant, bool)
    positive, negative = scores[:, truth], scores[:, ~truth]
    m, n = positive.shape[1], negative.shape[1]
    if m == 0 or n == 0:
        return np.full(len(scores), math.nan), np.full((len(scores), len(scores)), math.nan)
    ranks = rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    areas = (ranks[:, :m].sum(1) / m - (m + 1) / 2) / n
    if min(m, n) < 2:
        return areas, np.full((len(scores), len(scores)), math.nan)
    over_negatives = (ranks[:, :m] - rankdata(positive, axis=1)) / n
    over_positives = 1 - (ranks[:, m:] - rankdata(negative, axis=1)) / m
    covariance = np.atleast_2d(np.cov(over_negatives)) / m + np.atleast_2d(np.cov(over_positives)) / n
    return areas, covariance


def compare_auc(malignant: ArrayLike, first: ArrayLike, second: ArrayLike) -> tuple[Figure, float]:
    """Difference of two areas on the same images (first minus second) and its two-sided p-value (DeLong)."""
    areas, covariance = delong(malignant, np.stack([np.asarray(s, np.float64) for s in (first, second)]))
    difference = float(areas[0] - areas[1])
    deviation = math.sqrt(max(0.0, float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))
    p_value = 1.0 if deviation == 0 else float(2 * norm.sf(abs(difference) / deviation))
    return Figure(difference, difference - Z95 * deviation, difference + Z95 * deviation), p_value


def brier(malignant: ArrayLike, risks: ArrayLike) -> float:
    """Mean squared distance of the risks from the truth (Brier 1950); 0 is perfect."""
    return float(np.mean((np.asarray(risks, np.float64) - np.asarray(malignant, np.float64)) ** 2))


def expected_calibration_error(malignant: ArrayLike, risks: ArrayLike, bins: int = 10) -> float:
    """Mean gap between risk and frequency over equally filled bins (ECE; Nguyen and O'Connor 2015).

    Equally filled bins, since a few hundred risks leave most bins of equal width nearly empty.
    """
    truth, risk = np.asarray(malignant, np.float64), np.asarray(risks, np.float64)
    order = np.argsort(risk, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(abs(truth[p].mean() - risk[p].mean()) * len(p) for p in parts) / len(order))


def calibration_error_by_chance(risks: ArrayLike, bins: int = 10, rounds: int = 500) -> Figure:
    """The `expected_calibration_error` that a perfectly calibrated model with these risks would show.

    The estimate is biased upwards, the more the fewer the images (Kumar, Liang, Ma 2019): with 50 of them a
    perfect model shows about 0.1. Labels are drawn from the risks; mean and the middle 95 % of the draws.
    """
    risk = np.asarray(risks, np.float64)
    rng = np.random.default_rng(0)
    drawn = [expected_calibration_error(rng.random(len(risk)) < risk, risk, bins) for _ in range(rounds)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(float(np.mean(drawn)), float(low), float(high))


def corrected_t_test(differences: ArrayLike, judged_to_learnt: float) -> tuple[Figure, float]:
    """Mean of differences over folds and seeds, its interval, and the two-sided p-value.

    Nadeau and Bengio 2003: the variance is enlarged, since the folds' training parts overlap.

    Args:
        differences: one for each fold of each seed, at least two.
        judged_to_learnt: number of judged images over that of learnt ones in a fold.
    """
    values = np.asarray(differences, np.float64)
    mean = float(values.mean())
    deviation = math.sqrt(float(values.var(ddof=1)) * (1 / len(values) + judged_to_learnt))
    freedom = len(values) - 1
    spread = float(student.ppf(0.975, freedom)) * deviation
    p_value = 1.0 if deviation == 0 else float(2 * student.sf(abs(mean) / deviation, freedom))
    return Figure(mean, mean - spread, mean + spread), p_value
