"""The floor that any classifier must clear: what brightness alone tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from export.examples import Examples

FIELDS = 4
"""Rows and columns: where it is bright tells more than how bright the whole is (BUSI: AUC 0.84 and 0.68)."""


def judge_by_brightness(learnt: Examples, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Scores (N,) of uint8 (N, 1, H, W): an RBF machine on mean and deviation of the grey in 4x4 fields."""
    model = make_pipeline(StandardScaler(), SVC(C=3.0, gamma=0.5 / (2 * FIELDS**2), class_weight="balanced"))
    model.fit(_describe(learnt.images), learnt.malignant)
    return np.asarray(model.decision_function(_describe(images)), np.float64)


def _describe(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    count, _, height, width = images.shape
    rows, columns = height // FIELDS, width // FIELDS
    grey = images[:, 0, : rows * FIELDS, : columns * FIELDS].astype(np.float64)
    fields = grey.reshape(count, FIELDS, rows, FIELDS, columns)
    return np.concatenate([fields.mean((2, 4)), fields.std((2, 4))], 1).reshape(count, -1)
