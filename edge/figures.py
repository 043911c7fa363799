"""Proportions of a two-class test from one confusion matrix, with Wilson's intervals, and calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

Z95 = NormalDist().inv_cdf(0.975)


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


def wilson(hits: float, trials: float) -> Figure:
    """A proportion with Wilson's score interval (Wilson 1927; Newcombe 1998, method 3).

    Of an effective number of trials neither needs to be whole.
    """
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
