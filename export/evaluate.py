"""Judge a bundle on cases that it has never met: `sonocart evaluate BUNDLE STUDY`.

Of the study that the bundle was made with, only the test part is used; of any other study, every image. All
proportions come from one confusion matrix at the bundle's operating point.

Examples:
  sonocart evaluate bundle study
  sonocart evaluate bundle study --precision int8 --point high-sensitivity
  sonocart evaluate bundle study --json > evaluation.json
  sonocart evaluate bundle study --report report.html --prevalence 0.2
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle, open_bundle
from edge.contract.spec import PRECISIONS, OperatingPoint
from edge.engines.base import Engine
from edge.engines.onnx import reference_engine
from edge.errors import UsageError
from edge.study.cases import Case
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.study.tensors import case_tensor
from export.progress import Step, bar
from export.report import Judged, write_report
from export.statistics import ConfusionMatrix, auc, brier, expected_calibration_error

THREADS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that sonocart export wrote")
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--point", metavar="NAME", help="operating point (default: the bundle's own)")
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a page for a clinical reviewer")
    parser.add_argument(
        "--prevalence", type=float, metavar="P", help="of the clinic, for the report's PPV and NPV"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Run every held-out case through the engine and print the figures."""
    if args.prevalence is not None and not 0 < args.prevalence < 1:
        raise UsageError(f"found --prevalence {args.prevalence}, expected between 0 and 1")
    bundle = open_bundle(args.bundle)
    point = bundle.spec.point(args.point)
    cases = held_out(bundle, read_study(args.study))
    engine = reference_engine(bundle, args.precision, threads=THREADS)
    with bar("evaluating", len(cases)) as step:
        judged = run_cases(engine, bundle, point, cases, step)
    report = judge(bundle, args.precision, point, cases, judged.risks)
    if args.report:
        write_report(args.report, judged, args.prevalence)
    print(json.dumps(report, indent=2) if args.json else _table(report))
    return 0


def run_cases(
    engine: Engine, bundle: Bundle, point: OperatingPoint, cases: tuple[Case, ...], step: Step
) -> Judged:
    """What the model says of each case."""
    tensors, results = [], []
    for index, case in enumerate(cases):
        tensors.append(case_tensor(case, bundle.spec.preprocessing))
        results.append(engine.infer(tensors[-1]))
        step(index + 1)
    return Judged(
        bundle,
        engine.precision,
        point,
        cases,
        np.concatenate(tensors),
        np.array([result.risk for result in results]),
        np.stack([result.heatmap for result in results]),
    )


def judge(
    bundle: Bundle, precision: str, point: OperatingPoint, cases: Sequence[Case], risks: NDArray[np.float64]
) -> dict[str, Any]:
    """Every figure of the report, ready for JSON."""
    malignant = np.array([case.malignant for case in cases])
    matrix = ConfusionMatrix.at(malignant, risks, point.threshold)
    patients = {case.patient for case in cases}
    return {
        "bundle": bundle.id,
        "model": bundle.spec.name,
        "precision": precision,
        "operating_point": {"name": point.name, "threshold": round(point.threshold, 4)},
        "n": {"benign": matrix.benign, "malignant": matrix.malignant},
        "patients": None if None in patients else len(patients),
        "auc": auc(malignant, risks).json(),
        **{name: figure.json() for name, figure in matrix.figures().items()},
        "confusion_matrix": {
            "true_positive": matrix.true_positive,
            "false_positive": matrix.false_positive,
            "true_negative": matrix.true_negative,
            "false_negative": matrix.false_negative,
        },
        "expected_calibration_error": round(expected_calibration_error(malignant, risks), 4),
        "brier": round(brier(malignant, risks), 4),
    }


def _table(report: dict[str, Any]) -> str:
    point, matrix, number = report["operating_point"], report["confusion_matrix"], report["n"]
    of = f" of {report['patients']} patients" if report["patients"] else ""
    lines = [
        f"model        {report['model']}, bundle {report['bundle']}, {report['precision']}",
        f"cases        {number['benign']} benign and {number['malignant']} malignant images{of}",
        f"threshold    {point['threshold']:.3f} ({point['name']})",
        "",
        f"{'':<13}value  95 % interval",
    ]
    for name in ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv"):
        figure = report[name]
        text = "    -" if figure["value"] is None else "{value:.3f}  {low:.3f} to {high:.3f}".format(**figure)
        lines.append(f"{name:<13}{text}")
    return "\n".join(
        [
            *lines,
            f"{'ECE':<13}{report['expected_calibration_error']:.3f}   Brier {report['brier']:.3f}",
            "",
            f"{'':<13}called malignant  called benign",
            f"{'malignant':<13}{matrix['true_positive']:>16}  {matrix['false_negative']:>13}",
            f"{'benign':<13}{matrix['false_positive']:>16}  {matrix['true_negative']:>13}",
        ]
    )
