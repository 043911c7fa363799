"""The floor that any classifier must clear: what brightness alone tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from export.examples import Examples

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def judge_by_brightness(learnt: Examples, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits (N,) of uint8 (N, 1, H, W): logistic regression on mean, deviation and quantiles of the grey."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    model.fit(_describe(learnt.images), learnt.malignant)
    return np.asarray(model.decision_function(_describe(images)), np.float64)


def _describe(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey = images.reshape(len(images), -1).astype(np.float64)
    return np.column_stack([grey.mean(1), grey.std(1), np.quantile(grey, QUANTILES, axis=1).T])
