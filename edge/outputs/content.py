"""What the panel says of a reading, rounded as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from edge.contract.spec import OperatingPoint
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Reading
from edge.exam.signal import State
from edge.outputs.words import feature_words, percent, size_words

HEAT_LEGEND = "orange: speaks for malignancy"
DOUBT = "low risk, but looks like false benigns"
"""A contradiction in two lines of the narrowest panel; the page says it in full."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the panel shows, rounded as it is shown: two equal contents give the same picture.

    Attributes:
        withheld: why no risk is shown, or None; then the figures from `risk` to `age_ms` count.
        risk, low, high: per cent.
        trend: 1 rising, 0 steady, -1 falling.
        size: of the lesion's box in words.
        features: name and value of each, None where the operator has not asked for them.
        flag: a warning or a legend of two lines at most.
    """

    state: State
    withheld: str | None
    risk: int
    low: int
    high: int
    n: int
    above: bool
    trend: int
    age_ms: int
    rate: int
    point: OperatingPoint
    size: str
    features: tuple[tuple[str, str], ...] | None
    flag: str | None


def content_of(reading: Reading, trend: int = 0) -> Content:
    """The figures of `reading` as the panel rounds them."""
    estimate, choices, findings = reading.shown, reading.choices, reading.findings
    known = isinstance(estimate, RiskEstimate)
    features = None
    if choices.features:
        features = () if findings.features is None else feature_words(findings.features)
    flag = DOUBT if known and findings.contradiction else None  # it would give a concealed risk away
    return Content(
        state=reading.state,
        withheld=estimate.reason if isinstance(estimate, NoEstimate) else None,
        risk=percent(estimate.risk) if isinstance(estimate, RiskEstimate) else 0,
        low=percent(estimate.low) if isinstance(estimate, RiskEstimate) else 0,
        high=percent(estimate.high) if isinstance(estimate, RiskEstimate) else 0,
        n=estimate.n if isinstance(estimate, RiskEstimate) else 0,
        above=isinstance(estimate, RiskEstimate) and estimate.risk >= choices.point.threshold,
        trend=trend if known else 0,
        age_ms=round(reading.age_ms or 0.0) if known else 0,
        rate=round(reading.rate),
        point=choices.point,
        size=size_words(findings),
        features=features,
        flag=flag or reading.slowed or (HEAT_LEGEND if choices.heatmap and known else None),
    )
