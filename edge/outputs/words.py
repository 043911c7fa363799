"""Findings in words: the panel, the page and the log say the same."""

from __future__ import annotations

import math
import re

from edge.exam.features import REGULAR, LesionFeatures
from edge.exam.findings import Findings
from edge.exam.reading import Reading

_FEW = 0.02  # of the grey scale; less is neither brighter nor darker


def size_words(findings: Findings) -> str:
    """The size of the box that was drawn around the lesion, in millimetres where the scale is known."""
    if findings.lost:
        return "lesion lost"
    if findings.lesion is None:
        return "no lesion marked"
    if findings.size_mm is None:
        return f"box {findings.lesion.width} x {findings.lesion.height} px"
    width, height = findings.size_mm
    return f"box {width:.1f} x {height:.1f} mm"


def percent(probability: float) -> int:
    """Whole per cent, 0 and 100 only of what is 0 or 1 in the four digits that log and page have."""
    probability = round(probability, 4)
    return (
        round(100 * probability) if probability in (0.0, 1.0) else min(max(round(100 * probability), 1), 99)
    )


def heat_words(reading: Reading) -> str:
    """The cart's temperature and what follows from it; empty where neither is known."""
    known = "" if reading.celsius is None else f"{reading.celsius:.0f} °C"
    return ", ".join(filter(None, (known, reading.slowed)))


def without_times(words: str) -> str:
    """`words` with … for each number of seconds or minutes: the same while nothing else is said."""
    return re.sub(r"[\d.]+ (s|min)\b", r"… \1", words)


def feature_words(features: LesionFeatures) -> tuple[tuple[str, str], ...]:
    """Name and value of each feature; percentages are of the full grey scale."""
    share = round(100 * abs(features.echogenicity))
    behind = round(100 * abs(features.posterior))
    ratio = math.exp(abs(features.orientation) / 2)  # of variances, so the root is that of lengths
    return (
        ("shape", "regular" if features.irregularity < REGULAR else "irregular"),
        ("orientation", f"{'taller' if features.orientation > 0 else 'wider'} {ratio:.1f} times"),
        ("margin slope", f"{100 * features.margin:.1f} %"),
        (
            "echogenicity",
            _signed(features.echogenicity, f"hypoechoic {share} %", f"hyperechoic {share} %", "isoechoic"),
        ),
        ("heterogeneity", f"{100 * features.heterogeneity:.0f} %"),
        ("behind", _signed(features.posterior, f"enhancement {behind} %", f"shadow {behind} %", "as beside")),
    )


def _signed(value: float, above: str, below: str, neither: str) -> str:
    return neither if abs(value) < _FEW else above if value > 0 else below
