"""One self-contained HTML page that says how good a model is, for a clinical reviewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.html import table, write_page
from export import plots
from export.bootstrap import ROUNDS
from export.calibration_error import perfect_calibration_error
from export.ceiling import Ceiling
from export.judged import Judged, training_accuracy, withheld_patients
from export.prevalence import at_prevalence
from export.report_cases import errors, subgroups
from export.statistics import ConfusionMatrix, Figure, brier, expected_calibration_error
from export.unlike import SHARES, Told

PAPER = {
    "auc": ("0.863", "as an order of magnitude: other images, scanners and patients"),
    "sensitivity": ("0.8667", "as an order of magnitude, at a threshold that it does not name"),
    "specificity": ("0.8627", "as an order of magnitude, at a threshold that it does not name"),
    "accuracy": ("0.8544", "no: it hangs on the share of malignant images, and lies below both of the above"),
    "ppv": ("0.701", "no: it hangs on the share of malignant images, which it implies to be 27 %"),
    "npv": ("0.915", "no: the same, but it implies 38 %"),
    "accuracy in training": ("0.9243", "no: of images that the network has learnt"),
}
"""The study behind the project, on its test part of 98 images, and what may be compared."""


def write_report(
    path: Path,
    judged: Judged,
    prevalence: float | None,
    told: Sequence[Told] | None,
    ceiling: Ceiling | None,
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        judged: held-out cases.
        prevalence: of the clinic, for PPV and NPV there.
        told: pictures that the model was not made for, where they were tried.
        ceiling: of a synthetic study.

    Raises:
        CannotCreateError: the file cannot be written.
    """
    spec, truth, risks = judged.bundle.spec, judged.truth, judged.risks
    sections = [
        f"<h1>{escape(spec.name)}: evaluation</h1>",
        f"<p class=note>{escape(spec.intended_use)} {escape(spec.limits)}</p>",
        f"<p>Bundle {judged.bundle.id}, {judged.precision}; {int((~truth).sum())} benign and "
        f"{int(truth.sum())} malignant images{_of(judged)} that the model was not made with. Decisions at "
        f"<b>{judged.point.name}</b>: malignant if the risk is {judged.point.threshold:.3f} or more.</p>",
        "<h2>Figures</h2>",
        _figures(judged),
        _ceiling(ceiling),
        "<h2>Operating points and their confusion matrices</h2>",
        _points(judged),
        _prevalence(judged, prevalence),
        "<h2>Curves</h2><div class=plots>",
        plots.roc(truth, risks, spec.operating_points),
        plots.precision_recall(truth, risks, spec.operating_points),
        plots.reliability(truth, risks),
        plots.decision_curve(truth, risks),
        plots.risk_coverage(truth, risks, judged.point.threshold, judged.ood),
        "</div>",
        _calibration(truth, risks),
        "<h2>Pictures that the model was not made for</h2>",
        _unlike(judged, told),
        "<h2>Subgroups</h2>",
        subgroups(judged),
        "<h2>Most confident errors</h2>",
        errors(judged),
        "<h2>Beside the published study</h2>",
        _paper(judged),
    ]
    write_page(path, spec.name, sections)


def _written(name: str) -> str:
    return name.upper() if name in ("auc", "ppv", "npv") else name


def _figures(judged: Judged) -> str:
    over = judged.by_patient
    header = [
        "",
        "value",
        "95 % interval by image (DeLong, Wilson)",
        *(["by patient (bootstrap)"] if over else []),
    ]
    rows = []
    for name, figure in judged.figures().items():
        rows.append([_written(name), f"{figure.value:.3f}", _interval(figure)])
        if over:
            rows[-1].append(_interval(over[name]))
    text = (
        f"<p>By patient: {ROUNDS} bootstrap draws of the patients. Images of one patient are alike, so this "
        "is the interval to believe; but where every image is called rightly it has no width, and the "
        "interval by image is the one to read.</p>"
        if over
        else "<p>The study names no patients: images of one patient count as if they were independent.</p>"
    )
    return table(header, rows) + text


def _of(judged: Judged) -> str:
    return f" of {len(set(judged.patients))} patients" if judged.patients else ""


def _ceiling(ceiling: Ceiling | None) -> str:
    if ceiling is None:
        return ""
    return (
        f"<p>Synthetic patients: the lesions of those judged here allow an AUC of "
        f"{ceiling.area:.3f}; {ceiling.reached} of it is reached.</p>"
    )


def _interval(figure: Figure) -> str:
    return "-" if math.isnan(figure.low) else f"{figure.low:.3f} to {figure.high:.3f}"


def _points(judged: Judged) -> str:
    rows, counts = [], []
    for point in judged.bundle.spec.operating_points:
        matrix = ConfusionMatrix.at(judged.truth, judged.risks, point.threshold)
        figures = matrix.figures()
        rows.append([point.name, f"{point.threshold:.3f}", figures["sensitivity"], figures["specificity"]])
        found = (matrix.true_positive, matrix.false_negative, matrix.false_positive, matrix.true_negative)
        counts.append([point.name, *found])
    return (
        table(["", "threshold", "sensitivity", "specificity"], rows)
        + table(["", "TP", "FN", "FP", "TN"], counts)
        + "<p>TP, FN: malignant images called malignant, called benign; FP, TN: benign images likewise.</p>"
    )


def _calibration(truth: NDArray[np.bool_], risks: NDArray[np.float64]) -> str:
    perfect = perfect_calibration_error(risks)
    return (
        f"<p>Expected calibration error {expected_calibration_error(truth, risks):.3f} (ten equally filled "
        f"bins), Brier score {brier(truth, risks):.3f}. A perfectly calibrated model would show an error of "
        f"{perfect.mean:.3f} on {len(risks)} images, and one time in twenty more than {perfect.high:.3f}.</p>"
    )


def _unlike(judged: Judged, told: Sequence[Told] | None) -> str:
    threshold = judged.bundle.spec.ood_threshold
    text = (
        f"<p>The graph says of each frame how far it lies from the training images (<code>ood</code>, "
        f"Mahalanobis); above {threshold:.2f} the cart gives no risk. Of these test images "
        f"{judged.strange.mean():.1%} are above{_of_patients(judged)}.</p>"
    )
    if told is None:
        return text + "<p>Other pictures were not tried: <code>sonocart evaluate --unlike</code>.</p>"
    rows = [
        [
            kind.kind,
            f"{kind.area.value:.3f}",
            *(f"{getattr(kind, name).value:.0%}" for name in SHARES[:-1]),
            f"{kind.either.value:.0%} ({_either(kind)})",
            f"{kind.quality:.2f}",
        ]
        for kind in told
    ]
    header = ["", "AUROC", "5 %", "ood", "gates", "either", "quality"]
    return f"""{text}{table(header, rows)}<p>AUROC of <code>ood</code>, test pictures against these; found
at 5 % false alarms; withheld by <code>ood</code> at its threshold, by the gates, by either, with its interval
over patients (by image where they are not known, or where all are withheld); median quality score.</p>"""


def _either(kind: Told) -> str:
    figure = kind.by_patient["either"] if kind.by_patient else kind.either
    if figure.low == figure.high:  # draws from pictures that are all alike say nothing of others
        figure = kind.either
    return f"{100 * figure.low:.0f} to {100 * figure.high:.0f}"


def _of_patients(judged: Judged) -> str:
    share = withheld_patients(judged)
    return "" if share is None else f"; {share.value:.1%} of the patients have at least one such image"


def _prevalence(judged: Judged, prevalence: float | None) -> str:
    if prevalence is None:
        return ""
    rows = []
    for point in judged.bundle.spec.operating_points:
        matrix = ConfusionMatrix.at(judged.truth, judged.risks, point.threshold)
        rows.append([point.name, *at_prevalence(matrix, prevalence).values()])
    title = f"<p>Where {prevalence:.1%} of the lesions are malignant, by Bayes' theorem:</p>"
    return title + table(["", "PPV", "NPV"], rows)


def _paper(judged: Judged) -> str:
    learnt = training_accuracy(judged.bundle)
    figures: dict[str, object] = {**judged.figures()}
    if learnt is not None:
        figures["accuracy in training"] = "{value:.3f} ({low:.3f} to {high:.3f})".format(**learnt)
    rows = [
        [_written(name), value, figures.get(name, "not measured"), compared]
        for name, (value, compared) in PAPER.items()
    ]
    number = len(judged.cases)
    text = (
        "<p>Published: 984 images of salivary-gland tumours in parts of 698, 197 and 98, which add up "
        f"to 993; the figures are of the 98. Here: {number} images. The published figures cannot all come "
        "from one confusion matrix; run <code>sonocart study figures</code> to see why.</p>"
    )
    return text + table(["", "published", "this model", "may they be compared?"], rows)
