"""Held-out cases with what a model said of them, and the figures that follow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.spec import OperatingPoint
from edge.study.cases import Case
from export.bootstrap import patient_bootstraps
from export.plots import uncertainty
from export.statistics import ConfusionMatrix, Figure, auc, wilson

ANSWERED = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of the images that are answered, where errors are asked for."""

STRANGE = "withheld by ood"
METRICS = "reports/metrics.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """Held-out cases with what the model said of them.

    Attributes:
        bundle: whose model it is.
        precision: of the graph that ran.
        point: operating point of the decisions.
        cases: in order.
        tensors: uint8 (N, 1, H, W), what the network saw.
        risks: float64 (N,).
        heatmaps: float32 (N, h, w), 0 to 1.
        ood: float64 (N,), distance from the training images.
        by_patient: all of `shares`, with intervals over patients; None where the study names none.
    """

    bundle: Bundle
    precision: str
    point: OperatingPoint
    cases: tuple[Case, ...]
    tensors: NDArray[np.uint8]
    risks: NDArray[np.float64]
    heatmaps: NDArray[np.float32]
    ood: NDArray[np.float64]
    by_patient: dict[str, Figure] | None

    @property
    def truth(self) -> NDArray[np.bool_]:
        """True for malignant, (N,)."""
        return np.array([case.malignant for case in self.cases])

    @property
    def patients(self) -> list[str] | None:
        """Patient of each image; None where the study names none."""
        return patients_of(self.cases)

    @property
    def strange(self) -> NDArray[np.bool_]:
        """True where `ood` lies above the bundle's threshold, (N,)."""
        return self.ood > self.bundle.spec.ood_threshold

    def figures(self, chosen: NDArray[np.int64] | None = None) -> dict[str, Figure]:
        """AUC and the proportions at the operating point, of all images or of those with these indices."""
        own = slice(None) if chosen is None else chosen
        truth, risks = self.truth[own], self.risks[own]
        return {
            "auc": auc(truth, risks),
            **ConfusionMatrix.at(truth, risks, self.point.threshold).figures(),
        }


def patients_of(cases: Sequence[Case]) -> list[str] | None:
    """Patient of each case; None unless all are named."""
    names = [case.patient for case in cases if case.patient is not None]
    return names if len(names) == len(cases) else None


def over_patients(judged: Judged) -> dict[str, Figure] | None:
    """Every figure and share of wrong answers with its interval over patients, from the same draws."""
    patients = judged.patients
    if patients is None:
        return None
    truth, risks, strange = judged.truth, judged.risks, judged.strange
    wrong, doubts = _wrong(judged), _doubts(judged)

    def figures(chosen: NDArray[np.int64]) -> dict[str, float]:
        matrix = ConfusionMatrix.at(truth[chosen], risks[chosen], judged.point.threshold).figures()
        found = {"auc": auc(truth[chosen], risks[chosen]).value, STRANGE: float(strange[chosen].mean())}
        found |= {name: figure.value for name, figure in matrix.items()}
        for name, doubt in doubts.items():
            for answered in ANSWERED:
                found[f"{name} {answered}"] = float(_answered(wrong, doubt, chosen, answered).mean())
        return found

    return patient_bootstraps(patients, figures)


def coverage(judged: Judged) -> list[dict[str, Any]]:
    """Share of wrong decisions where only the most certain, or the most familiar, images are answered."""
    wrong, everything = _wrong(judged), np.arange(len(judged.cases))
    rows = []
    for answered in ANSWERED:
        row: dict[str, Any] = {"answered": answered}
        for name, doubt in _doubts(judged).items():
            kept = _answered(wrong, doubt, everything, answered)
            share = wilson(int(kept.sum()), len(kept))
            row[name] = with_patients(share, judged.by_patient, f"{name} {answered}")
        rows.append(row)
    return rows


def withheld_patients(judged: Judged) -> Figure | None:
    """Share of the patients of whom at least one image is too strange for a risk."""
    patients = judged.patients
    if patients is None:
        return None
    own = {name for name, strange in zip(patients, judged.strange, strict=True) if strange}
    return wilson(len(own), len(set(patients)))


def training_accuracy(bundle: Bundle) -> dict[str, Any] | None:
    """Of the images that the network has learnt, as training recorded it; None in older bundles."""
    if not bundle.has(METRICS):
        return None
    found: dict[str, Any] | None = json.loads(bundle.read(METRICS)).get("training_accuracy")
    return found


def with_patients(figure: Figure, by_patient: dict[str, Figure] | None, name: str) -> dict[str, Any]:
    """A figure for JSON: its interval by image, and that over patients (null where they are not known)."""
    over = None if by_patient is None else by_patient[name].json()
    return {**figure.json(), "over_patients": over and {"low": over["low"], "high": over["high"]}}


def _wrong(judged: Judged) -> NDArray[np.bool_]:
    return np.asarray((judged.risks >= judged.point.threshold) != judged.truth)


def _doubts(judged: Judged) -> dict[str, NDArray[np.float64]]:
    return {
        "wrong_by_certainty": uncertainty(judged.risks, judged.point.threshold),
        "wrong_by_ood": judged.ood,
    }


def _answered(
    wrong: NDArray[np.bool_], doubt: NDArray[np.float64], chosen: NDArray[np.int64], answered: float
) -> NDArray[np.bool_]:
    """Whether the images with the least doubt are wrong."""
    number = max(1, round(answered * len(chosen)))
    return wrong[chosen[np.argsort(doubt[chosen], kind="stable")[:number]]]
