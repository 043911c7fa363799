"""From a network's logit to a probability: temperature scaling on the validation part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit

TEMPERATURES = (0.2, 20.0)  # a fit beyond these says that the validation part is too small


@dataclass(frozen=True, slots=True)
class Scaling:
    """Calibrated logit = (logit + offset) / temperature."""

    temperature: float
    offset: float

    def risk(self, logits: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Calibrated probability of malignancy of each logit, float64."""
        return np.asarray(expit((np.asarray(logits, np.float64) + self.offset) / self.temperature))


def fit_scaling(malignant: ArrayLike, logits: ArrayLike) -> Scaling:
    """The scaling that makes the validation labels most likely (Guo et al. 2017, with Platt's offset).

    The offset takes out what the class weights of the loss put in; temperature alone cannot. Platt's (1999)
    softened targets keep a perfectly separated validation part from driving the temperature to zero.
    """
    truth, logit = np.asarray(malignant, bool), np.asarray(logits, np.float64)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        z = (logit + parameters[1]) * np.exp(-parameters[0])
        return float(np.mean(np.logaddexp(0.0, z) - target * z))

    low, high = np.log(TEMPERATURES)
    best = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(low, high), (-20.0, 20.0)])
    return Scaling(float(np.exp(best.x[0])), float(best.x[1]))
