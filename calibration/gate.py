"""The clinical gate: what a precision may cost in sensitivity, judged on images that it has never met."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 0  # the same figures at every run
_LEVEL = (2.5, 97.5)  # percentiles of a two-sided 95 % interval


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure of a precision minus the same of FP32, with its 95 % interval."""

    value: float
    low: float
    high: float


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a precision costs at the operating point, paired image by image with FP32.

    Attributes:
        passes: the lower bound of `sensitivity` is above `limit`.
        limit: the bundle's own, negative.
        sensitivity: difference at the operating point.
        specificity: difference at the operating point.
        auc: difference of the areas under the ROC curves.
        temperature: that would calibrate this precision's risks anew on the validation part (Guo et al.
            2017); nothing is changed by it. Far from `temperature_fp32`, the risks mean something else.
        temperature_fp32: same, of FP32; near 1, for the network's own temperature is inside the graph.
        resamples: of the bootstrap.
        groups: patients, or clusters of like images, that were resampled.
    """

    passes: bool
    limit: float
    sensitivity: Difference
    specificity: Difference
    auc: Difference
    temperature: float
    temperature_fp32: float
    resamples: int
    groups: int


def judge(
    reference: NDArray[np.float32],
    risk: NDArray[np.float32],
    malignant: NDArray[np.bool_],
    groups: Sequence[str],
    threshold: float,
    limit: float,
    temperatures: tuple[float, float],
) -> Gate:
    """Judge a precision by a paired bootstrap over groups (Efron, Tibshirani 1993, chapter 8).

    Args:
        reference: FP32's risks, (N,).
        risk: of the precision, same images.
        malignant: (N,) pathology; both classes occur.
        groups: (N,) patient of each image: images of one patient are drawn together.
        threshold: malignant if risk >= threshold.
        limit: what the lower bound of the sensitivity's difference must stay above.
        temperatures: of the precision and of FP32, from `fit_temperature`.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    # The first row is the sample itself; the others weight each image by how often its group was drawn.
    weights = np.vstack([np.ones(len(names)), drawn])[:, member]
    positive, negative = weights[:, malignant], weights[:, ~malignant]
    usable = (positive.sum(axis=1) > 0) & (negative.sum(axis=1) > 0)
    positive, negative = positive[usable], negative[usable]

    def share(own: NDArray[np.float64], hits: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(own @ hits / own.sum(axis=1))

    def area(risks: NDArray[np.float32]) -> NDArray[np.float64]:
        gap = risks[malignant][:, None] - risks[~malignant][None, :]
        above = (gap > 0) + 0.5 * (gap == 0)
        total = np.einsum("bi,ij,bj->b", positive, above, negative, optimize=True)
        return np.asarray(total / (positive.sum(axis=1) * negative.sum(axis=1)))

    called, called_before = risk >= threshold, reference >= threshold
    sensitivity = _difference(share(positive, called[malignant]) - share(positive, called_before[malignant]))
    specificity = _difference(
        share(negative, ~called[~malignant]) - share(negative, ~called_before[~malignant])
    )
    return Gate(
        passes=sensitivity.low > limit,
        limit=limit,
        sensitivity=sensitivity,
        specificity=specificity,
        auc=_difference(area(risk) - area(reference)),
        temperature=temperatures[0],
        temperature_fp32=temperatures[1],
        resamples=int(usable.sum()) - 1,
        groups=len(names),
    )


def fit_temperature(risk: NDArray[np.float32], malignant: NDArray[np.bool_]) -> float:
    """The temperature that makes the labels most likely given risks (N,), between 1/20 and 20.

    Platt's (1999) softened targets keep a perfectly separated part from driving it to zero.
    """
    from scipy.optimize import minimize_scalar

    p = np.clip(risk.astype(np.float64), 1e-7, 1 - 1e-7)
    logit = np.log(p / (1 - p))
    positives, negatives = int(malignant.sum()), int((~malignant).sum())
    target = np.where(malignant, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(log_temperature: float) -> float:
        z = logit * np.exp(-log_temperature)
        return float(np.mean(np.logaddexp(0.0, z) - target * z))

    best = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded")
    return float(np.exp(best.x))


def _difference(samples: NDArray[np.float64]) -> Difference:
    low, high = np.percentile(samples[1:], _LEVEL)
    return Difference(value=float(samples[0]), low=float(low), high=float(high))
