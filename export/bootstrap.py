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
    names, group = np.unique(np.asarray(patients), return_inverse=True)
    images = [np.flatnonzero(group == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = [
        figure(np.concatenate([images[index] for index in rng.integers(0, len(images), len(images))]))
        for _ in range(ROUNDS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Figure(figure(np.arange(len(group))), float(low), float(high))
