"""Intervals that know that images of one patient are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from export.statistics import Figure

ROUNDS = 1000


def patient_bootstrap(
    patients: Sequence[str], figure: Callable[[NDArray[np.int64]], float], seed: int = 0
) -> Figure:
    """A figure with the 2.5 and 97.5 percentiles over patients drawn with replacement (Efron 1979).

    Args:
        patients: of each image.
        figure: of the images with the given indices; a draw for which it is no number is left out.
        seed: of the draws.
    """
    return patient_bootstraps(patients, lambda chosen: {"": figure(chosen)}, seed)[""]


def patient_bootstraps(
    patients: Sequence[str], figures: Callable[[NDArray[np.int64]], dict[str, float]], seed: int = 0
) -> dict[str, Figure]:
    """Several figures, by name, over the same draws; as `patient_bootstrap`.

    Where every draw gives the same, the interval has no width: a share of 0 or 1 is read beside Wilson's.
    """
    names, group = np.unique(np.asarray(patients), return_inverse=True)
    images = [np.flatnonzero(group == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = [
        figures(np.concatenate([images[index] for index in rng.integers(0, len(images), len(images))]))
        for _ in range(ROUNDS)
    ]
    found = figures(np.arange(len(group)))
    return {name: Figure(value, *_middle([draw[name] for draw in drawn])) for name, value in found.items()}


def _middle(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
