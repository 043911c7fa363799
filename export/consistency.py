"""Whether reported figures of a two-class test can come from one confusion matrix, and why not.

Every proportion is a ratio of counts, so with n images only certain values can be printed. All matrices of n
images are tried; a set of figures is possible if one matrix gives each of them within its own rounding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
MAX_N = 1000  # the matrices to try grow with the cube of n


@dataclass(frozen=True, slots=True)
class Reported:
    """A proportion as printed: its value, 0 to 1, and half a unit of its last digit."""

    name: str
    value: float
    rounding: float

    @classmethod
    def parse(cls, name: str, text: str) -> Reported:
        """From `0.8667` or `86.67%`; the number of digits says how it was rounded.

        Raises:
            ValueError: not a proportion.
        """
        digits = text.strip().removesuffix("%")
        if not re.fullmatch(r"\d*\.?\d+|\d+\.", digits):
            raise ValueError(f"'{text}' for {name}")
        value = float(digits)
        scale = 100.0 if text.strip().endswith("%") else 1.0
        if scale == 1 < value <= 100:
            raise ValueError(f"'{text}' for {name}, which is above 1 (give {value / 100:.10g} or {digits}%)")
        if not 0 <= value <= scale:
            raise ValueError(f"'{text}' for {name}")
        return cls(name, value / scale, 0.5 * 10.0 ** -len(digits.partition(".")[2]) / scale)

    def fits(self, value: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where `value` would be printed as this figure; NaN never is."""
        return np.asarray(np.abs(value - self.value) <= self.rounding * (1 + 1e-6))

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g}"


def contradictions(figures: Sequence[Reported], n: int) -> list[tuple[Reported, ...]]:
    """The smallest sets of figures that no confusion matrix of n images with both classes gives together.

    A set that contains another contradicting set is not named again.
    """
    sets = [s for size in range(1, len(figures) + 1) for s in combinations(range(len(figures)), size)]
    impossible = set(sets)
    for malignant in range(1, n):
        fits = [figure.fits(_table(figure.name, n, malignant)) for figure in figures]
        impossible = {s for s in impossible if not np.logical_and.reduce([fits[i] for i in s]).any()}
    smallest = [s for s in sets if s in impossible and not any(set(t) < set(s) for t in impossible)]
    return [tuple(figures[index] for index in s) for s in smallest]


def _table(name: str, n: int, malignant: int) -> NDArray[np.float64]:
    """A proportion for all counts of true (rows) and false positives (columns); NaN where undefined."""
    tp = np.arange(malignant + 1, dtype=np.float64)[:, None]
    fp = np.arange(n - malignant + 1, dtype=np.float64)[None, :]
    fn, tn = malignant - tp, n - malignant - fp
    part, whole = {
        "accuracy": (tp + tn, np.full_like(tp + fp, n)),
        "sensitivity": (tp + 0 * fp, np.full_like(tp + fp, malignant)),
        "specificity": (tn + 0 * tp, np.full_like(tp + fp, n - malignant)),
        "ppv": (tp + 0 * fp, tp + fp),
        "npv": (tn + 0 * tp, tn + fn),
    }[name]
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def implied_prevalences(figures: dict[str, Reported]) -> dict[str, float]:
    """Share of malignant images that follows from sensitivity, specificity and one further figure (Bayes)."""
    if "sensitivity" not in figures or "specificity" not in figures:
        return {}
    sensitivity, specificity = figures["sensitivity"].value, figures["specificity"].value
    out = {}
    if "ppv" in figures:
        ppv = figures["ppv"].value
        false = ppv * (1 - specificity)
        out["ppv"] = false / (false + sensitivity * (1 - ppv)) if 0 < ppv < 1 else float("nan")
    if "npv" in figures:
        npv = figures["npv"].value
        true = specificity * (1 - npv)
        out["npv"] = true / (true + npv * (1 - sensitivity)) if 0 < npv < 1 else float("nan")
    if "accuracy" in figures and sensitivity != specificity:
        out["accuracy"] = (figures["accuracy"].value - specificity) / (sensitivity - specificity)
    return out


def _bounds(figures: dict[str, Reported], name: str) -> tuple[float, float]:
    """Lowest and highest prevalence that PPV or NPV may mean, as the figures were rounded.

    Each implied prevalence is monotonic in each figure, so the corners of the rounding's box are enough.
    """
    box = [figures[key] for key in ("sensitivity", "specificity", name)]
    found = []
    for signs in product((-1, 1), repeat=3):
        corner = {
            figure.name: replace(
                figure, value=min(1 - 1e-9, max(1e-9, figure.value + sign * figure.rounding))
            )
            for figure, sign in zip(box, signs, strict=True)
        }
        found.append(implied_prevalences(corner)[name])
    return min(found), max(found)


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[1] < other[0] or other[1] < one[0]


def objections(
    figures: Sequence[Reported], auc: Reported | None, n: int | None, parts: Sequence[int], total: int | None
) -> list[str]:
    """Everything that is wrong with a set of reported figures, one sentence each; empty if it may be true."""
    by_name = {figure.name: figure for figure in figures}
    found = []
    if parts and total is not None and sum(parts) != total:
        found.append(f"the parts {' + '.join(map(str, parts))} add up to {sum(parts)}, not to {total}")
    if parts and n is not None and n not in parts:
        found.append(f"the figures are for {n} images, but no part has {n}")
    if {"accuracy", "sensitivity", "specificity"} <= set(by_name):
        accuracy, one, other = (by_name[k] for k in ("accuracy", "sensitivity", "specificity"))
        low, high = sorted((one, other), key=lambda figure: figure.value)
        slack = accuracy.rounding + max(low.rounding, high.rounding)
        if not low.value - slack <= accuracy.value <= high.value + slack:
            found.append(
                f"accuracy {accuracy.value:.4g} does not lie between {low} and {high}, their weighted mean"
            )
    prevalences = implied_prevalences(by_name)
    if {"ppv", "npv"} <= set(prevalences) and _apart(_bounds(by_name, "ppv"), _bounds(by_name, "npv")):
        found.append(
            f"with this sensitivity and specificity the PPV means that {prevalences['ppv']:.1%} of the "
            f"images were malignant, the NPV that {prevalences['npv']:.1%} were"
        )
    if auc is not None and {"sensitivity", "specificity"} <= set(by_name):
        up, right = by_name["sensitivity"].value, 1 - by_name["specificity"].value
        low_auc, high_auc = up * (1 - right), 1 - (1 - up) * right
        if not low_auc - auc.rounding - 0.001 <= auc.value <= high_auc + auc.rounding + 0.001:
            found.append(
                f"an ROC curve through this sensitivity and specificity has an AUC from {low_auc:.3f} to "
                f"{high_auc:.3f}, not {auc.value:.4g}"
            )
    if n is not None:
        for group in contradictions(figures, n):
            if len(group) == 1:
                found.append(
                    f"{group[0]} cannot be a share of counts among {n} images, however they are divided"
                )
            else:
                names = " and ".join([", ".join(map(str, group[:-1])), str(group[-1])])
                found.append(f"no confusion matrix of {n} images gives {names} together")
    return found
