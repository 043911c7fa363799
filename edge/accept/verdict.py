"""What the pipeline said of every case, and the figures that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.accept.promise import compare
from edge.accept.share import Share, share_of
from edge.contract.bundle import Bundle
from edge.contract.spec import OperatingPoint
from edge.exam.baseline import BINS, Baseline
from edge.exam.performance import read_performance
from edge.figures import ConfusionMatrix, brier, expected_calibration_error
from edge.timing import Timing


class Verdict(msgspec.Struct, frozen=True):
    """What the pipeline said of one case.

    Attributes:
        case: its file, relative to the study.
        malignant: the truth, from pathology.
        risk: 0 to 1; None where none was ever shown.
        n: frames behind it.
        reason: that was given most often where none was shown.
        pictures: presented.
    """

    case: str
    malignant: bool
    risk: float | None
    n: int
    reason: str | None
    pictures: int


def judge(
    bundle: Bundle,
    precision: str,
    point: OperatingPoint,
    verdicts: list[Verdict],
    patients: Sequence[str | None],
    timing: Timing,
) -> dict[str, Any]:
    """Every figure, ready for JSON; `patients` are those of `verdicts`, where they are known."""
    shown = [verdict for verdict in verdicts if verdict.risk is not None]
    named = zip(patients, verdicts, strict=True)
    names = np.array([patient or f"/{verdict.case}" for patient, verdict in named])
    withheld = np.array([verdict.risk is None for verdict in verdicts], bool)
    truth = np.array([verdict.malignant for verdict in shown], bool)
    risks = np.array([verdict.risk for verdict in shown], np.float64)
    matrix = ConfusionMatrix.at(truth, risks, point.threshold)
    shares = _shares(truth, risks >= point.threshold, names[~withheld])
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.reason is not None)
    stages = timing.summary()
    missed = sum(verdict.malignant for verdict in verdicts if verdict.risk is None)
    return {
        "bundle": bundle.id,
        "model": bundle.spec.name,
        "precision": precision,
        "operating_point": {"name": point.name, "threshold": round(point.threshold, 4)},
        "n": {
            "benign": sum(not verdict.malignant for verdict in verdicts),
            "malignant": sum(verdict.malignant for verdict in verdicts),
            "withheld": len(verdicts) - len(shown),
            "withheld_malignant": missed,
            "patients": None if None in patients else len(set(patients)),
        },
        "abstention": share_of(withheld, names.tolist()).figure.json(),
        "reasons": dict(reasons.most_common()),
        **{name: share.figure.json() for name, share in shares.items()},
        "confusion_matrix": msgspec.to_builtins(matrix),
        "promise": compare(read_performance(bundle).get(point.name), shares),
        "expected_calibration_error": round(expected_calibration_error(truth, risks), 4) if shown else None,
        "brier": round(brier(truth, risks), 4) if shown else None,
        "latency_ms": {
            name: {
                "p50": round(stage.p50_ms, 3),
                "p99": None if stage.p99_ms is None else round(stage.p99_ms, 3),
                "max": round(stage.max_ms, 3),
            }
            for name, stage in stages.items()
            if name in ("look", "prepare", "infer", "frame")
        },
    }


def _shares(
    truth: NDArray[np.bool_], called: NDArray[np.bool_], patients: NDArray[np.str_]
) -> dict[str, Share]:
    """All from the one confusion matrix, their intervals over patients."""
    everything = np.ones(len(truth), bool)
    counted = {
        "accuracy": (everything, truth == called),
        "sensitivity": (truth, called),
        "specificity": (~truth, ~called),
        "ppv": (called, truth),
        "npv": (~called, ~truth),
    }
    return {name: share_of(hits[of], patients[of].tolist()) for name, (of, hits) in counted.items()}


def baseline(figures: dict[str, Any], verdicts: list[Verdict]) -> Baseline:
    """The distribution of the risks at this site."""
    risks = [verdict.risk for verdict in verdicts if verdict.risk is not None]
    edges = np.linspace(0.0, 1.0, BINS + 1)
    counts, _ = np.histogram(risks, edges)
    share = counts / max(1, len(risks))
    return Baseline(
        bundle=figures["bundle"],
        precision=figures["precision"],
        cases=len(risks),
        edges=tuple(edges.round(6).tolist()),
        share=tuple(share.round(6).tolist()),
        withheld=round(1.0 - len(risks) / len(verdicts), 6),
    )
