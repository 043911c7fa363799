"""Judge a bundle on cases that it has never met: `sonocart evaluate BUNDLE STUDY`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge.atomic import new_file
from edge.contract.bundle import Bundle, open_bundle
from edge.contract.spec import OperatingPoint
from edge.engines.base import Engine
from edge.engines.onnx import reference_engine
from edge.errors import NoInputError, UsageError
from edge.outputs.writable import require_writable
from edge.study.cases import Case
from edge.study.faults import Faults
from edge.study.parts import held_out
from edge.study.read import read_study
from edge.study.tensors import case_tensor
from export.calibration_error import perfect_calibration_error
from export.card import FIGURES, WRITTEN, model_card
from export.ceiling import Ceiling, ceiling_of
from export.judged import (
    STRANGE,
    Judged,
    coverage,
    over_patients,
    training_accuracy,
    with_patients,
    withheld_patients,
)
from export.prevalence import at_prevalence
from export.progress import Step, bar
from export.report import write_report
from export.statistics import ConfusionMatrix, brier, expected_calibration_error, wilson
from export.unlike import Told, tell_apart

THREADS = 2


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
    study = read_study(args.study)
    cases = held_out(bundle, study)
    engine = reference_engine(bundle, args.precision, threads=THREADS)
    with bar("evaluating", len(cases)) as step:
        judged = run_cases(engine, bundle, point, cases, step)
    told = None
    if args.unlike is not None:
        told = tell_apart(engine, bundle.spec, cases, judged.ood, args.unlike)
    ceiling = ceiling_of(study.root, cases, judged.risks)
    report = judge(judged, args.prevalence, told, ceiling)
    text = json.dumps(report, indent=2)
    if args.report:
        write_report(args.report, judged, args.prevalence, told, ceiling)
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
    tensors, results, faults = [], [], Faults()
    for index, case in enumerate(cases):
        with faults.gather():
            tensors.append(case_tensor(case, bundle.spec.preprocessing))
            results.append(engine.infer(tensors[-1]))
        step(index + 1)
    faults.refuse()
    judged = Judged(
        bundle,
        engine.precision,
        point,
        cases,
        np.concatenate(tensors),
        np.array([result.risk for result in results]),
        np.stack([result.heatmap for result in results]),
        np.array([result.ood for result in results]),
        by_patient=None,
    )
    return replace(judged, by_patient=over_patients(judged))


def judge(
    judged: Judged, prevalence: float | None, told: Sequence[Told] | None, ceiling: Ceiling | None
) -> dict[str, Any]:
    """Every figure of the report, ready for JSON."""
    bundle, point, malignant, risks = judged.bundle, judged.point, judged.truth, judged.risks
    matrix = ConfusionMatrix.at(malignant, risks, point.threshold)
    perfect = perfect_calibration_error(risks)
    known = withheld_patients(judged)
    report: dict[str, Any] = {
        "bundle": bundle.id,
        "model": bundle.spec.name,
        "precision": judged.precision,
        "operating_point": {"name": point.name, "threshold": round(point.threshold, 4)},
        "n": {"benign": matrix.benign, "malignant": matrix.malignant},
        "patients": judged.patients and len(set(judged.patients)),
        **{name: with_patients(f, judged.by_patient, name) for name, f in judged.figures().items()},
        "training_accuracy": training_accuracy(bundle),
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
            "withheld": with_patients(
                wilson(int(judged.strange.sum()), len(judged.cases)), judged.by_patient, STRANGE
            ),
            "withheld_patients": known and known.json(),
        },
        "coverage": coverage(judged),
    }
    if prevalence is not None:
        figures = at_prevalence(matrix, prevalence)
        report["at_prevalence"] = {
            "prevalence": prevalence,
            **{name: figure.json() for name, figure in figures.items()},
        }
    if ceiling is not None:
        report["ceiling"] = ceiling.json()
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
        f"{'':<13}value  95 % interval by image (DeLong, Wilson)   by patient (bootstrap)",
    ]
    lines += [f"{WRITTEN.get(name, name):<13}{_figure(report[name])}" for name in FIGURES]
    return "\n".join(
        [
            *lines,
            _calibration(report),
            _strange(report),
            *_ceiling(report),
            *_clinic(report),
            "",
            f"{'':<13}called malignant  called benign",
            f"{'malignant':<13}{matrix['true_positive']:>16}  {matrix['false_negative']:>13}",
            f"{'benign':<13}{matrix['false_positive']:>16}  {matrix['true_negative']:>13}",
            "",
            f"{'answered':<13}wrong, least certain withheld   wrong, strangest withheld",
            *(
                f"{row['answered']:>8.0%}{_share(row['wrong_by_certainty']):>32}{_share(row['wrong_by_ood']):>28}"
                for row in report["coverage"]
            ),
            *_unlike(report.get("unlike", ())),
        ]
    )


def _figure(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "    -"
    over = figure["over_patients"]
    by_patient = "patients not known" if over is None else "{low:.3f} to {high:.3f}".format(**over)
    return f"{figure['value']:.3f}  {figure['low']:.3f} to {figure['high']:<31.3f}{by_patient}"


def _share(figure: dict[str, Any]) -> str:
    """A share with the interval over patients, or by image where they are not known."""
    return "{:.1%} ({low:.0%} to {high:.0%})".format(figure["value"], **(figure["over_patients"] or figure))


def _calibration(report: dict[str, Any]) -> str:
    perfect = report["expected_calibration_error_if_perfect"]
    return (
        f"{'ECE':<13}{report['expected_calibration_error']:.3f}  (perfectly calibrated, so few images show "
        f"{perfect['mean']:.3f}, one time in twenty over {perfect['95th_percentile']:.3f})\n"
        f"{'Brier':<13}{report['brier']:.3f}"
    )


def _strange(report: dict[str, Any]) -> str:
    withheld, threshold = report["ood"]["withheld"], report["ood"]["threshold"]
    patients = report["ood"]["withheld_patients"]
    of = "" if patients is None else f", of {patients['value']:.1%} of the patients at least one"
    return (
        f"{'strange':<13}{_share(withheld)} of these images have ood above {threshold:.2f}{of}; "
        "live they get no risk"
    )


def _ceiling(report: dict[str, Any]) -> list[str]:
    if "ceiling" not in report:
        return []
    reached = "{value:.3f} ({low:.3f} to {high:.3f}) of it".format(**report["ceiling"]["reached"])
    return [
        f"{'ceiling':<13}{report['ceiling']['auc']:.3f}  of these synthetic patients' AUC; reached {reached}"
    ]


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
