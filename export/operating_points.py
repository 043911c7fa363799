"""Thresholds on the calibrated risk, chosen on held-out predictions only and switchable at run time.

The observed 95 % point of a few dozen risks is too hopeful for the next patient, and the largest observed
sensitivity + specificity hangs on single images. So the two one-sided points are conformal (Vovk et al.
2005): over draws of held-out and new images alike, a new malignant (benign) image is called rightly with at
least the probability that was aimed at. The balanced point needs no search: sensitivity + specificity is
largest where both classes are equally likely to give the risk, and for a calibrated risk that is where it
equals the prevalence.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.contract.spec import OperatingPoint

SENSITIVITY = 0.95  # aimed at by "high-sensitivity"
SPECIFICITY = 0.95  # aimed at by "high-specificity"
DEFAULT = "balanced"

_EDGE = 1e-6  # the specification wants 0 < threshold < 1, also where every risk is 0 or 1


def performance(malignant: ArrayLike, risks: ArrayLike, threshold: float) -> dict[str, float]:
    """What `edge.exam.performance.Performance` holds, of the images that the threshold was chosen on."""
    truth, called = np.asarray(malignant, bool), np.asarray(risks, np.float64) >= threshold
    return {
        "sensitivity": round(float(called[truth].mean()), 4),
        "specificity": round(float((~called[~truth]).mean()), 4),
        "malignant": int(truth.sum()),
        "benign": int((~truth).sum()),
    }


def choose_points(malignant: ArrayLike, risks: ArrayLike) -> tuple[OperatingPoint, ...]:
    """High sensitivity, balanced and high specificity.

    With fewer than 19 images of a class its one-sided point lies beyond all of them, since so few say nothing
    about the last twentieth.

    Args:
        malignant: truth, (N,); both classes occur.
        risks: calibrated on the same images, which the model has not learnt from, (N,).
    """
    truth, risk = np.asarray(malignant, bool), np.asarray(risks, np.float64)
    levels = np.unique(np.concatenate([[0.0], risk, [1.0]]))
    balanced = float(truth.mean())
    sensitive = _below(levels, _lower_limit(risk[truth], 1 - SENSITIVITY))
    specific = 1 - _below(1 - levels[::-1], _lower_limit(1 - risk[~truth], 1 - SPECIFICITY))
    chosen = {
        "high-sensitivity": min(sensitive, balanced),  # where the classes lie far apart the order is kept
        "balanced": balanced,
        "high-specificity": max(specific, balanced),
    }
    return tuple(
        OperatingPoint(name=name, threshold=float(np.clip(threshold, _EDGE, 1 - _EDGE)))
        for name, threshold in chosen.items()
    )


def _lower_limit(values: NDArray[np.float64], share: float) -> float:
    """What a further value falls short of with a probability of at most `share`: the conformal quantile."""
    rank = math.floor(share * (len(values) + 1) + 1e-9)
    return float(np.sort(values)[max(rank, 1) - 1])


def _below(levels: NDArray[np.float64], value: float) -> float:
    """Half-way from `value` down to the next of `levels`: no threshold hangs on an image's last digit."""
    lower = levels[levels < value - 1e-12]
    return (value + float(lower[-1] if len(lower) else 0.0)) / 2
