"""The page of a site's acceptance, for its file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from edge.accept.promise import sentences, verdict
from edge.accept.verdict import Verdict
from edge.html import table, write_page

FIGURES = ("sensitivity", "specificity", "accuracy", "ppv", "npv", "abstention")


def write_report(path: Path, figures: dict[str, Any], verdicts: Sequence[Verdict]) -> None:
    """Write the page.

    Args:
        path: of the HTML file; it appears whole or not at all.
        figures: of `edge.accept.judge`.
        verdicts: one a case, in the order of the study.

    Raises:
        CannotCreateError: the file cannot be written.
    """
    number, point, matrix = figures["n"], figures["operating_point"], figures["confusion_matrix"]
    rows = []
    for name in FIGURES:
        figure = figures[name]
        interval = "-" if figure["value"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
        rows.append([name, "-" if figure["value"] is None else f"{figure['value']:.3f}", interval])
    times = [
        [name, *("-" if value is None else f"{value:.2f}" for value in stage.values())]
        for name, stage in figures["latency_ms"].items()
    ]
    calibration = (
        "<p>No case has a risk, so there is nothing to calibrate.</p>"
        if figures["brier"] is None
        else f"<p>Expected calibration error {figures['expected_calibration_error']:.3f} (ten equally filled "
        f"bins), Brier score {figures['brier']:.3f}.</p>"
    )
    sections = [
        f"<h1>{escape(figures['model'])}: site acceptance</h1>",
        f"<p>Bundle {figures['bundle']}, {figures['precision']}. {number['benign']} benign and "
        f"{number['malignant']} malignant cases of this site, each played through the whole pipeline: "
        f"capture, gates, preparation, network, evidence. {figures['left out']} further cases were left out, "
        "since the model was made with them or with their patients. Research use only.</p>",
        f"<p class=note>Decisions at <b>{escape(point['name'])}</b>: malignant if the risk is "
        f"{point['threshold']:.3f} or more. Of {sum((number['benign'], number['malignant']))} cases "
        f"{number['withheld']} showed no risk, {number['withheld_malignant']} of them malignant.</p>",
        "<h2>Verdict</h2>",
        f"<p><b>{escape(verdict(figures))}</b></p>",
        "<h2>Figures</h2>",
        table(["", "value", "95 % interval (Wilson, over patients)"], rows),
        "<p>Cases without a risk count in abstention only. Several cases of one patient are taken to say the "
        f"same, so they make an interval no narrower. {_patients(number['patients'])}</p>",
        "<h2>Beside what the operating point promised</h2>",
        f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences(figures))}</ul>",
        "<p>As promised: at most 10 points below it, with 95 % certainty over patients.</p>",
        "<h2>Decisions</h2>",
        table(
            ["", "called malignant", "called benign"],
            [
                ["malignant", matrix["true_positive"], matrix["false_negative"]],
                ["benign", matrix["false_positive"], matrix["true_negative"]],
            ],
        ),
        "<h2>Calibration</h2>",
        calibration,
        "<h2>Why risks were withheld</h2>",
        table(["reason", "cases"], list(figures["reasons"].items()))
        if figures["reasons"]
        else "<p>Never.</p>",
        "<h2>Latency</h2>",
        table(["stage", "p50, ms", "p99, ms", "max, ms"], times),
        "<h2>Cases</h2>",
        table(["case", "pathology", "risk", "frames", ""], [_row(v, point["threshold"]) for v in verdicts]),
    ]
    write_page(path, f"{figures['model']}: site acceptance", sections)


def _patients(known: int | None) -> str:
    if known is None:
        return "Not every case names its patient: those that do not count as if each showed another one."
    return f"The cases show {known} patients."


def _row(verdict: Verdict, threshold: float) -> list[object]:
    truth = "malignant" if verdict.malignant else "benign"
    if verdict.risk is None:
        return [verdict.case, truth, "-", "-", f"withheld: {verdict.reason}"]
    right = (verdict.risk >= threshold) == verdict.malignant
    wrong = "missed" if verdict.malignant else "false alarm"
    return [verdict.case, truth, f"{verdict.risk:.3f}", verdict.n, "" if right else wrong]
