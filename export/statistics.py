"""Every figure of a two-class test from one confusion matrix, and the AUC, each with its 95 % interval."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from edge.figures import Z95
from edge.figures import ConfusionMatrix as ConfusionMatrix
from edge.figures import Figure as Figure
from edge.figures import brier as brier
from edge.figures import expected_calibration_error as expected_calibration_error
from edge.figures import wilson as wilson


def auc(malignant: ArrayLike, scores: ArrayLike) -> Figure:
    """Area under the ROC curve with DeLong's interval, cut to 0..1.

    DeLong, DeLong, Clarke-Pearson 1988, computed from mid-ranks (Sun and Xu 2014). At an area of 1 or 0 their
    variance is 0, whatever n is; there the interval is Wilson's for as many images as the rarer class has,
    all of them told rightly or wrongly. One image of a class says nothing about how much others would differ,
    so the interval is 0..1; without any there is no number.
    """
    areas, covariance = delong(malignant, np.asarray(scores, np.float64)[None])
    area, variance = float(areas[0]), float(covariance[0, 0])
    if math.isnan(area):
        return Figure(math.nan, math.nan, math.nan)
    if math.isnan(variance):
        return Figure(area, 0.0, 1.0)
    if area in (0.0, 1.0):
        positive = int(np.sum(np.asarray(malignant, bool)))
        number = min(positive, np.size(malignant) - positive)
        return wilson(number if area else 0, number)
    spread = Z95 * math.sqrt(max(0.0, variance))
    return Figure(area, max(0.0, area - spread), min(1.0, area + spread))


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
    """Difference of two areas on the same images (first minus second) and its two-sided p-value (DeLong).

    With fewer than two images of a class neither interval nor p-value is defined: they are NaN.
    """
    areas, covariance = delong(malignant, np.stack([np.asarray(s, np.float64) for s in (first, second)]))
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if math.isnan(variance):
        return Figure(difference, math.nan, math.nan), math.nan
    deviation = math.sqrt(max(0.0, variance))
    p_value = 1.0 if deviation == 0 else float(2 * norm.sf(abs(difference) / deviation))
    return Figure(difference, difference - Z95 * deviation, difference + Z95 * deviation), p_value


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
