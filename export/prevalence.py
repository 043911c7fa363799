"""PPV and NPV where another share of the lesions is malignant than in the test part."""

from __future__ import annotations

import math

from scipy.special import expit

from edge.figures import Z95
from export.statistics import ConfusionMatrix, Figure


def at_prevalence(matrix: ConfusionMatrix, prevalence: float) -> dict[str, Figure]:
    """PPV and NPV by Bayes' theorem, with 95 % intervals on the logit (Mercaldo, Lau and Zhou 2007).

    Where a count is 0, half an image is added to each for the interval, which reaches to a figure of 0 or 1.

    Args:
        matrix: of the test part; both classes occur.
        prevalence: share of malignant lesions, between 0 and 1.
    """
    counts = (matrix.true_positive, matrix.false_negative, matrix.true_negative, matrix.false_positive)
    tp, fn, tn, fp = (count + 0.5 * (0 in counts) for count in counts)
    odds = math.log(prevalence / (1 - prevalence))
    sick, well = matrix.malignant, matrix.benign
    exact = (
        _log_ratio(matrix.true_positive / sick, matrix.false_positive / well) + odds,
        _log_ratio(matrix.true_negative / well, matrix.false_negative / sick) - odds,
    )
    centres = (
        _log_ratio(tp / (tp + fn), fp / (tn + fp)) + odds,
        _log_ratio(tn / (tn + fp), fn / (tp + fn)) - odds,
    )
    # Variances of log(sensitivity / (1 - specificity)) and log(specificity / (1 - sensitivity)).
    spreads = (
        Z95 * math.sqrt(fn / tp / (tp + fn) + tn / fp / (tn + fp)),
        Z95 * math.sqrt(tp / fn / (tp + fn) + fp / tn / (tn + fp)),
    )
    return {
        name: _figure(float(expit(value)), float(expit(centre - spread)), float(expit(centre + spread)))
        for name, value, centre, spread in zip(("ppv", "npv"), exact, centres, spreads, strict=True)
    }


def _figure(value: float, low: float, high: float) -> Figure:
    return Figure(value, 0.0 if value == 0 else low, 1.0 if value == 1 else high)


def _log_ratio(part: float, other: float) -> float:
    if part == 0 and other == 0:
        return math.nan  # nothing was called so, hence there is no share that is right
    if part == 0 or other == 0:
        return -math.inf if part == 0 else math.inf
    return math.log(part / other)
