"""A share of cases, of which several may show one patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.figures import Figure, wilson


@dataclass(frozen=True, slots=True)
class Share:
    """Of some cases.

    Attributes:
        figure: the share with its interval.
        cases: that it is counted on.
        patients: whom they show.
    """

    figure: Figure
    cases: int
    patients: int


def share_of(hits: NDArray[np.bool_], patients: Sequence[str]) -> Share:
    """The share of `hits`, with Wilson's interval for no more cases than are sure to be independent.

    Cases of one patient are taken to say all the same, which is the least that they can tell: of m cases a
    patient as many count as Kish's (sum m)^2 / sum m^2. Where each shows another patient that is all of them.

    Args:
        hits: one a case.
        patients: one a case.
    """
    sizes = np.array(list(Counter(patients).values()), np.float64)
    if not len(sizes):
        return Share(wilson(0, 0), 0, 0)
    independent = float(sizes.sum() ** 2 / (sizes**2).sum())
    return Share(wilson(float(hits.mean()) * independent, independent), len(hits), len(sizes))
