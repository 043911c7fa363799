"""Judge a bundle on cases that it has never met: `sonocart evaluate BUNDLE STUDY`.

Of the study that the bundle was made with, only the test part is used; of any other study, every image. All
proportions come from one confusion matrix at the bundle's operating point.

Examples:
  sonocart evaluate bundle study
  sonocart evaluate bundle study --precision int8 --point high-sensitivity
  sonocart evaluate bundle study --json > evaluation.json
  sonocart evaluate bundle study --report report.html --card CARD.md --prevalence 0.2
  sonocart evaluate bundle study --unlike thyroid/ eye.mp4

--report writes report.json beside report.html. --unlike asks how well pictures that the model was not made
for are told: the named ones, and test pictures with faults drawn into them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.atomic import new_file
from edge.contract.bundle import Bundle, open_bundle
from edge.contract.spec import PRECISIONS, OperatingPoint
from edge.engines.base import Engine
from edge.engines.onnx import reference_engine
from edge.errors import NoInputError, UsageError
from edge.outputs.writable import require_writable
from edge.study.cases import Case
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.study.tensors import case_tensor
from export.calibration_error import perfect_calibration_error
from export.card import model_card
from export.prevalence import at_prevalence
from export.progress import Step, bar
from export.report import Judged, coverage, write_report
from export.statistics import ConfusionMatrix, auc, brier, expected_calibration_error, wilson
from export.unlike import Told, tell_apart

THREADS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that sonocart export wrote")
    parser.add_argument("study", type=Path, metavar="STUDY", help="folder or manifest file")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--point", metavar="NAME", help="operating point (default: the bundle's own)")
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a page for a clinical reviewer")
    parser.add_argument("--card", type=Path, metavar="MD", help="write the model card with these figures")
    parser.add_argument(
        "--unlike", type=Path, nargs="*", metavar="PATH", help="folders of images, images or clips"
    )
    parser.add_argument("--prevalence", type=float, metavar="P", help="of the clinic, for PPV and NPV there")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Run every held-out case through the engine and print the figures."""
    if args.prevalence is not None and not 0 < args.prevalence < 1:
        raise UsageError(f"found --prevalence {args.prevalence}, expected between 0 and 1")
    for path in args.unlike or ():
        if not path.exists():
            raise NoInputError(
                f"there is no '{path}' for --unlike; expected images, a folder of them, or a clip"
            )
    for path in (args.report, args.card):
        if path is not None:
            require_writable(path, f"--{'report' if path is args.report else 'card'}")
    bundle = open_bundle(args.bundle)
    point = bundle.spec.point(args.point)
    cases = held_out(bundle, read_study(args.study))
    engine = reference_engine(bundle, args.precision, threads=THREADS)
    with bar("evaluating", len(cases)) as step:
        judged = run_cases(engine, bundle, point, cases, step)
    told = None
    if args.unlike is not None:
        told = tell_apart(engine, bundle.spec, cases, judged.ood, args.unlike)
    report = judge(judged, args.prevalence, told)
    text = json.dumps(report, indent=2)
    if args.report:
        write_report(args.report, judged, args.prevalence, told)
        with new_file(args.report.with_suffix(".json")) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
    if args.card:
        with new_file(args.card) as partial:
            partial.write_text(model_card(bundle.spec, report), encoding="utf-8")
    print(text if args.json else _table(report))
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
        np.array([result.ood for result in results]),
    )


def judge(judged: Judged, prevalence: float | None, told: Sequence[Told] | None) -> dict[str, Any]:
    """Every figure of the report, ready for JSON."""
    bundle, point, malignant, risks = judged.bundle, judged.point, judged.truth, judged.risks
    matrix = ConfusionMatrix.at(malignant, risks, point.threshold)
    patients = {case.patient for case in judged.cases}
    perfect = perfect_calibration_error(risks)
    strange = judged.ood > bundle.spec.ood_threshold
    report: dict[str, Any] = {
        "bundle": bundle.id,
        "model": bundle.spec.name,
        "precision": judged.precision,
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
        "expected_calibration_error_if_perfect": {
            "mean": round(perfect.mean, 4),
            "95th_percentile": round(perfect.high, 4),
        },
        "brier": round(brier(malignant, risks), 4),
        "ood": {
            "threshold": round(bundle.spec.ood_threshold, 4),
            "withheld": wilson(int(strange.sum()), len(strange)).json(),
        },
        "coverage": coverage(judged),
    }
    if prevalence is not None:
        figures = at_prevalence(matrix, prevalence)
        report["at_prevalence"] = {
            "prevalence": prevalence,
            **{name: figure.json() for name, figure in figures.items()},
        }
    if told is not None:
        report["unlike"] = [kind.json() for kind in told]
    return report


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
            _calibration(report),
            _strange(report),
            *_clinic(report),
            "",
            f"{'':<13}called malignant  called benign",
            f"{'malignant':<13}{matrix['true_positive']:>16}  {matrix['false_negative']:>13}",
            f"{'benign':<13}{matrix['false_positive']:>16}  {matrix['true_negative']:>13}",
            "",
            f"{'answered':<13}wrong, least certain withheld   wrong, strangest withheld",
            *(
                f"{row['answered']:>8.0%}{row['wrong_by_certainty']:>32.1%}{row['wrong_by_ood']:>28.1%}"
                for row in report["coverage"]
            ),
            *_unlike(report.get("unlike", ())),
        ]
    )


def _calibration(report: dict[str, Any]) -> str:
    perfect = report["expected_calibration_error_if_perfect"]
    return (
        f"{'ECE':<13}{report['expected_calibration_error']:.3f}  (perfectly calibrated, so few images show "
        f"{perfect['mean']:.3f}, one time in twenty over {perfect['95th_percentile']:.3f})\n"
        f"{'Brier':<13}{report['brier']:.3f}"
    )


def _strange(report: dict[str, Any]) -> str:
    withheld, threshold = report["ood"]["withheld"], report["ood"]["threshold"]
    share = "{value:.1%} ({low:.1%} to {high:.1%})".format(**withheld)
    return f"{'strange':<13}{share} of these images have ood above {threshold:.2f}; live they get no risk"


def _clinic(report: dict[str, Any]) -> list[str]:
    if "at_prevalence" not in report:
        return []
    told = report["at_prevalence"]
    lines = ["", f"where {told['prevalence']:.1%} are malignant"]
    for name in ("ppv", "npv"):
        figure = told[name]
        text = "    -" if figure["value"] is None else "{value:.3f}  {low:.3f} to {high:.3f}".format(**figure)
        lines.append(f"{name:<13}{text}")
    return lines


def _unlike(kinds: Sequence[dict[str, Any]]) -> list[str]:
    if not kinds:
        return []
    head = f"{'pictures':<32}{'AUROC':>7}{'hit at 5 %':>12}{'ood':>8}{'gates':>8}{'either':>8}{'quality':>9}"
    rows = [
        f"{kind['kind'][:31]:<32}{kind['area']['value']:>7.3f}{kind['hit']['value']:>12.0%}"
        + "".join(f"{kind[name]['value']:>8.0%}" for name in ("withheld", "gated", "either"))
        + f"{kind['quality']:>9.2f}"
        for kind in kinds
    ]
    return ["", "withheld: by ood at its threshold, by the gates, by either", head, *rows]
