"""What is learnt from, and who learns what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from edge.errors import DataError


@dataclass(frozen=True, slots=True)
class Examples:
    """Tensors in memory, made once by `prepare`: images uint8 (N, 1, H, W), malignant bool (N,)."""

    images: NDArray[np.uint8]
    malignant: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.intp]) -> Examples:
        """Those with the indices `chosen`, copied."""
        return Examples(self.images[chosen], self.malignant[chosen])


class Division(NamedTuple):
    """Indices of the examples that one network learns, and of those held out of it."""

    train: NDArray[np.intp]
    judged: NDArray[np.intp]


def divide(
    malignant: NDArray[np.bool_], groups: Sequence[str], members: int, seed: int
) -> tuple[Division, ...]:
    """One division for each of `members` networks: every example is held out of one; groups stay together.

    Raises:
        DataError: there are too few groups of a class.
    """
    for label, own in (("malignant", malignant), ("benign", ~malignant)):
        found = len({group for group, is_own in zip(groups, own, strict=True) if is_own})
        if found < 2 * members:
            raise DataError(
                f"{found} {label} patients or groups cannot be divided by {members}, expected at least "
                f"{2 * members}; use fewer folds or members"
            )
    divider = StratifiedGroupKFold(members, shuffle=True, random_state=seed)
    return tuple(Division(*pair) for pair in divider.split(malignant, malignant, list(groups)))
