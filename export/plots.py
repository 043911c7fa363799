"""The report's plots as SVG text; readable in grey, on a phone and on paper."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from edge.contract.spec import OperatingPoint
from export.statistics import ConfusionMatrix, wilson

Truth = NDArray[np.bool_]
Risks = NDArray[np.float64]

BINS = 8
MARKERS = "^osDv*"


def draw(plot: Callable[[Axes], None]) -> str:
    """One square plot as an SVG element without ids that clash and without a date."""
    with mpl.rc_context({"svg.hashsalt": plot.__qualname__, "font.size": 11, "svg.fonttype": "path"}):
        canvas = Canvas(figsize=(4.2, 4.0), layout="constrained")
        plot(canvas.subplots())
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def roc(truth: Truth, risks: Risks, points: Sequence[OperatingPoint]) -> str:
    """Receiver operating characteristic with the operating points."""

    def plot(axes: Axes) -> None:
        right, up, _ = roc_curve(truth, risks)
        axes.plot(right, up, color="black", drawstyle="steps-post")
        axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
        for point, marker in zip(points, MARKERS, strict=False):
            matrix = ConfusionMatrix.at(truth, risks, point.threshold).figures()
            axes.plot(
                1 - matrix["specificity"].value, matrix["sensitivity"].value, marker, label=point.name, ms=8
            )
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC")
        axes.legend(loc="lower right")

    return draw(plot)


def precision_recall(truth: Truth, risks: Risks, points: Sequence[OperatingPoint]) -> str:
    """Precision against recall, with the prevalence as floor and the operating points."""

    def plot(axes: Axes) -> None:
        precision, recall, _ = precision_recall_curve(truth, risks)
        axes.plot(recall, precision, color="black", drawstyle="steps-post")
        axes.axhline(float(truth.mean()), color="0.75", linewidth=1)
        for point, marker in zip(points, MARKERS, strict=False):
            figures = ConfusionMatrix.at(truth, risks, point.threshold).figures()
            axes.plot(figures["sensitivity"].value, figures["ppv"].value, marker, label=point.name, ms=8)
        axes.legend(loc="lower left")
        axes.set(
            xlabel="sensitivity (recall)",
            ylabel="PPV (precision)",
            title="Precision and recall",
            ylim=(0, 1.02),
        )

    return draw(plot)


def reliability(truth: Truth, risks: Risks) -> str:
    """Frequency of malignancy against risk in equally filled bins, with Wilson's 95 % intervals."""

    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
        parts = np.array_split(np.argsort(risks, kind="stable"), min(BINS, len(risks)))
        mean = [risks[part].mean() for part in parts]
        shares = [wilson(int(truth[part].sum()), len(part)) for part in parts]
        axes.vlines(mean, [s.low for s in shares], [s.high for s in shares], color="0.6", linewidth=1)
        axes.plot(mean, [share.value for share in shares], "o-", color="black")
        axes.set(
            xlabel="risk given", ylabel="share malignant", title="Reliability", xlim=(0, 1), ylim=(0, 1.02)
        )

    return draw(plot)


def decision_curve(truth: Truth, risks: Risks) -> str:
    """Net benefit against the threshold, beside treating all or none (Vickers and Elkin 2006)."""

    def plot(axes: Axes) -> None:
        thresholds = np.linspace(0.02, 0.9, 89)
        odds = thresholds / (1 - thresholds)
        called = risks[None, :] >= thresholds[:, None]
        benefit = (called & truth).mean(1) - (called & ~truth).mean(1) * odds
        axes.plot(thresholds, benefit, color="black", label="model")
        axes.plot(thresholds, truth.mean() - (1 - truth.mean()) * odds, color="0.6", label="all malignant")
        axes.axhline(0, color="0.75", linewidth=1, label="none malignant")
        axes.set(
            xlabel="threshold",
            ylabel="net benefit",
            title="Decision curve",
            ylim=(-0.05, truth.mean() + 0.03),
        )
        axes.legend()

    return draw(plot)


def risk_coverage(truth: Truth, risks: Risks, threshold: float, ood: Risks) -> str:
    """Share of wrong decisions among the images that are answered.

    The least certain are withheld first, or those least like the training images.
    """

    def plot(axes: Axes) -> None:
        wrong = (risks >= threshold) != truth
        answered = np.arange(1, len(wrong) + 1)
        for doubt, style, name in (
            (uncertainty(risks, threshold), "-", "least certain"),
            (ood, ":", "strangest"),
        ):
            order = np.argsort(doubt, kind="stable")
            axes.plot(
                answered / len(order), np.cumsum(wrong[order]) / answered, style, color="black", label=name
            )
        axes.legend(title="withheld first")
        axes.set(xlabel="share answered", ylabel="share wrong", title="Risk and coverage", xlim=(0, 1.02))

    return draw(plot)


def uncertainty(risks: Risks, threshold: float) -> Risks:
    """Minus the distance from the threshold, in logits: the least certain come last."""
    return np.asarray(-np.abs(_logit(risks) - _logit(np.array(threshold))))


def _logit(risks: Risks) -> Risks:
    clipped = np.clip(risks, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
