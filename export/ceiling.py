"""How near a model comes to what a synthetic study allows: nobody can tell its patients apart any better."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import DataError
from edge.study.cases import Case
from export.bootstrap import patient_bootstrap
from export.statistics import Figure, auc

TRUTH = "truth.csv"
RATIO = "log_likelihood_ratio"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The largest AUC that these very images allow, and the share of it that a model reaches.

    The ceiling is the AUC of the exact log-likelihood ratio of each lesion's latents, so it differs from one
    draw of patients to another as a model's own AUC does. The share's interval draws patients anew for both.
    """

    area: float
    reached: Figure

    def json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"auc": round(self.area, 4), "reached": self.reached.json()}


def ceiling_of(root: Path, cases: Sequence[Case], risks: NDArray[np.float64]) -> Ceiling | None:
    """The ceiling of `cases`, if they are of a synthetic study (`sonocart phantom`), else None.

    Args:
        root: the study's folder.
        cases: that were judged.
        risks: what the model said of each, (N,).

    Raises:
        DataError: the study's truth lacks one of the patients or names no ratio for one.
    """
    path = root / TRUTH
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = {row.get("patient"): row.get(RATIO) for row in rows}
    patients = [str(case.patient) for case in cases]
    try:
        ratios = np.array([float(known[patient] or "") for patient in patients])
    except (KeyError, ValueError) as error:
        raise DataError(
            f"'{path}' holds no {RATIO} for each judged patient ({error}); make the study again with "
            "sonocart phantom, or remove the file"
        ) from error
    malignant = np.array([case.malignant for case in cases])

    def share(chosen: NDArray[np.int64]) -> float:
        truth = malignant[chosen]
        if truth.all() or not truth.any():
            return float("nan")
        return auc(truth, risks[chosen]).value / auc(truth, ratios[chosen]).value

    return Ceiling(auc(malignant, ratios).value, patient_bootstrap(patients, share))
