"""One self-contained HTML page that says how good a model is, for a clinical reviewer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.spec import OperatingPoint
from edge.html import table as table
from edge.html import write_page as write_page
from edge.study.cases import Case
from export import plots
from export.bootstrap import patient_bootstrap
from export.calibration_error import perfect_calibration_error
from export.prevalence import at_prevalence
from export.statistics import ConfusionMatrix, Figure, auc, brier, expected_calibration_error
from export.unlike import Told

ANSWERED = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)  # shares of the images
ERRORS = 12  # pictures in the sheet of most confident errors
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
    """

    bundle: Bundle
    precision: str
    point: OperatingPoint
    cases: tuple[Case, ...]
    tensors: NDArray[np.uint8]
    risks: NDArray[np.float64]
    heatmaps: NDArray[np.float32]
    ood: NDArray[np.float64]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """True for malignant, (N,)."""
        return np.array([case.malignant for case in self.cases])


def coverage(judged: Judged) -> list[dict[str, float]]:
    """Share of wrong decisions where only the most certain, or the most familiar, images are answered."""
    wrong = (judged.risks >= judged.point.threshold) != judged.truth
    rows = []
    for answered in ANSWERED:
        number = max(1, round(answered * len(wrong)))
        kept = [
            np.argsort(doubt, kind="stable")[:number]
            for doubt in (plots.uncertainty(judged.risks, judged.point.threshold), judged.ood)
        ]
        certain, familiar = (round(float(wrong[chosen].mean()), 4) for chosen in kept)
        rows.append({"answered": answered, "wrong_by_certainty": certain, "wrong_by_ood": familiar})
    return rows


def write_report(
    path: Path, judged: Judged, prevalence: float | None, told: Sequence[Told] | None = None
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        judged: held-out cases.
        prevalence: of the clinic, for PPV and NPV there.
        told: pictures that the model was not made for, where they were tried.

    Raises:
        CannotCreateError: the file cannot be written.
    """
    spec, truth, risks = judged.bundle.spec, judged.truth, judged.risks
    sections = [
        f"<h1>{escape(spec.name)}: evaluation</h1>",
        f"<p class=note>{escape(spec.intended_use)} {escape(spec.limits)}</p>",
        f"<p>Bundle {judged.bundle.id}, {judged.precision}; {int((~truth).sum())} benign and "
        f"{int(truth.sum())} malignant images that the model was not made with. Decisions at "
        f"<b>{judged.point.name}</b>: malignant if the risk is {judged.point.threshold:.3f} or more.</p>",
        "<h2>Figures</h2>",
        _figures(judged),
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
        _subgroups(judged),
        "<h2>Most confident errors</h2>",
        _errors(judged),
        "<h2>Beside the published study</h2>",
        _paper(judged),
    ]
    write_page(path, spec.name, sections)


def _all_figures(judged: Judged, chosen: NDArray[np.int64], threshold: float) -> dict[str, Figure]:
    truth, risks = judged.truth[chosen], judged.risks[chosen]
    return {"auc": auc(truth, risks), **ConfusionMatrix.at(truth, risks, threshold).figures()}


def _written(name: str) -> str:
    return name.upper() if name in ("auc", "ppv", "npv") else name


def _figures(judged: Judged) -> str:
    everything = np.arange(len(judged.cases))
    figures = _all_figures(judged, everything, judged.point.threshold)
    patients = [case.patient for case in judged.cases]
    header = ["", "value", "95 % interval (DeLong, Wilson)"]
    rows = [[_written(name), f"{f.value:.3f}", f"{f.low:.3f} to {f.high:.3f}"] for name, f in figures.items()]
    if None not in patients:
        header.append("95 % interval over patients (bootstrap)")
        for row, name in zip(rows, figures, strict=True):

            def value(chosen: NDArray[np.int64], name: str = name) -> float:
                return _all_figures(judged, chosen, judged.point.threshold)[name].value

            over = patient_bootstrap([str(patient) for patient in patients], value)
            row.append(f"{over.low:.3f} to {over.high:.3f}")
    return table(header, rows)


def _points(judged: Judged) -> str:
    rows = []
    for point in judged.bundle.spec.operating_points:
        matrix = ConfusionMatrix.at(judged.truth, judged.risks, point.threshold)
        figures = matrix.figures()
        counts = (matrix.true_positive, matrix.false_negative, matrix.false_positive, matrix.true_negative)
        rows.append(
            [point.name, f"{point.threshold:.3f}", figures["sensitivity"], figures["specificity"], *counts]
        )
    header = ["", "threshold", "sensitivity", "specificity", "true positive", "false negative"]
    header += ["false positive", "true negative"]
    return table(header, rows)


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
        f"{float((judged.ood > threshold).mean()):.1%} are above.</p>"
    )
    if told is None:
        return text + "<p>Other pictures were not tried: <code>sonocart evaluate --unlike</code>.</p>"
    rows = [
        [
            kind.kind,
            kind.area,
            *(f"{f.value:.0%}" for f in (kind.hit, kind.withheld, kind.gated, kind.either)),
            f"{kind.quality:.2f}",
        ]
        for kind in told
    ]
    return text + table(
        ["", "AUROC", "found at 5 % false alarms", "by ood", "by gates", "by either", "quality"], rows
    )


def _prevalence(judged: Judged, prevalence: float | None) -> str:
    if prevalence is None:
        return ""
    rows = []
    for point in judged.bundle.spec.operating_points:
        matrix = ConfusionMatrix.at(judged.truth, judged.risks, point.threshold)
        rows.append([point.name, *at_prevalence(matrix, prevalence).values()])
    title = f"<p>Where {prevalence:.1%} of the lesions are malignant, by Bayes' theorem:</p>"
    return title + table(["", "PPV", "NPV"], rows)


def _subgroups(judged: Judged) -> str:
    widths = [
        case.lesion.width / case.px_per_mm if case.lesion and case.px_per_mm else None
        for case in judged.cases
    ]
    known = [width for width in widths if width is not None]
    middle = float(np.median(known)) if known else 0.0
    columns = {
        "site": [case.site for case in judged.cases],
        "scanner": [case.scanner for case in judged.cases],
        "width": [
            None if width is None else f"{'under' if width < middle else 'from'} {middle:.0f} mm"
            for width in widths
        ],
    }
    rows = []
    for name, values in columns.items():
        for value in sorted({value for value in values if value is not None}):
            chosen = np.flatnonzero([own == value for own in values])
            figures = _all_figures(judged, chosen, judged.point.threshold)
            rows.append(
                [name, value, len(chosen), figures["auc"], figures["sensitivity"], figures["specificity"]]
            )
    if not rows:
        return "<p>The study names no sites, scanners or sizes.</p>"
    return table(["", "", "n", "AUC", "sensitivity", "specificity"], rows)


def _errors(judged: Judged) -> str:
    called = judged.risks >= judged.point.threshold
    wrong = np.flatnonzero(called != judged.truth)
    wrong = wrong[np.argsort(-np.abs(judged.risks[wrong] - judged.point.threshold), kind="stable")][:ERRORS]
    if len(wrong) == 0:
        return "<p>None.</p>"
    tiles = []
    for index in wrong:
        case = judged.cases[index]
        data = base64.b64encode(overlaid(judged.tensors[index, 0], judged.heatmaps[index])).decode()
        words = f"{case.pathology or case.label}, risk {judged.risks[index]:.2f}"
        image = f'<img alt="" src="data:image/jpeg;base64,{data}">'
        tiles.append(f"<figure>{image}<figcaption>{escape(words)}</figcaption></figure>")
    title = "<p>What the network saw, with its heat map where it spoke for malignancy.</p>"
    return f"{title}<div class=sheet>{''.join(tiles)}</div>"


def overlaid(tensor: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> bytes:
    """JPEG of a tensor (H, W) with the heat map above one half in orange."""
    heat = cv2.resize(heatmap, tensor.shape[::-1], interpolation=cv2.INTER_LINEAR)
    weight = np.clip((heat - 0.5) * 1.2, 0, 0.6)[..., None]
    picture = tensor[..., None] * (1 - weight) + weight * np.array([20.0, 120.0, 255.0])
    return cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _paper(judged: Judged) -> str:
    figures = _all_figures(judged, np.arange(len(judged.cases)), judged.point.threshold)
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
