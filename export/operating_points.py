"""Thresholds on the calibrated risk, chosen on validation data only and switchable at run time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge.contract.spec import OperatingPoint

SENSITIVITY = 0.95  # aimed at by "high-sensitivity"
SPECIFICITY = 0.95  # aimed at by "high-specificity"
DEFAULT = "balanced"

_EDGE = 0.005  # no threshold nearer to 0 or 1: beyond the last validation image nothing is known


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
    """High sensitivity, balanced (largest sensitivity + specificity; Youden 1950) and high specificity.

    Each threshold lies half-way between two neighbouring risks, so that it does not hang on one image.
    """
    truth, risk = np.asarray(malignant, bool), np.asarray(risks, np.float64)
    levels = np.unique(risk)
    candidates = np.concatenate([[levels[0] / 2], (levels[:-1] + levels[1:]) / 2, [(levels[-1] + 1) / 2]])
    sensitivity = np.array([(risk[truth] >= t).mean() for t in candidates])
    specificity = np.array([(risk[~truth] < t).mean() for t in candidates])
    chosen = {
        "high-sensitivity": candidates[sensitivity >= SENSITIVITY].max(),
        "balanced": candidates[np.argmax(sensitivity + specificity)],
        "high-specificity": candidates[specificity >= SPECIFICITY].min(),
    }
    return tuple(
        OperatingPoint(name=name, threshold=float(np.clip(threshold, _EDGE, 1 - _EDGE)))
        for name, threshold in chosen.items()
    )
