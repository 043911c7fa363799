"""What the page is told with each picture, in the page's own words."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edge.contract.roi import Roi
from edge.exam.desk import Desk
from edge.exam.evidence import RiskEstimate
from edge.exam.findings import BestFrame
from edge.exam.performance import Performance
from edge.exam.reading import Reading
from edge.outputs.log import Record, record_of
from edge.outputs.words import feature_words, heat_words, size_words


class Status(msgspec.Struct, frozen=True):
    """What the page is told with each picture, and while none comes; the size is 0 by 0 before the first.

    Without a risk that may be shown, none is in it.
    """

    record: Record
    width: int
    height: int
    fps: float
    dropped: int
    latency_ms: float
    point: str
    threshold: float
    n: int
    region: tuple[int, int, int, int] | None
    panel: tuple[int, int, int, int] | None
    chosen: bool
    hidden: bool
    second_reader: bool
    grade: str | None
    heatmap: bool
    features_shown: bool
    lesion: tuple[int, int, int, int] | None
    marked: bool
    size: str
    features: tuple[tuple[str, str], ...]
    contradiction: str | None
    best: tuple[tuple[int, float | None, float], ...]  # sequence, risk, quality
    moved: bool
    prevalence: float | None
    ppv: float | None
    npv: float | None
    recording: bool
    recording_wanted: bool
    recording_refused: str | None
    recording_text: str
    case: int
    events: int
    viewers: int
    served_fps: float
    heat: str


def status_of(
    size: tuple[int, int],
    latency_ms: float,
    reading: Reading,
    desk: Desk,
    performance: Mapping[str, Performance],
    served: tuple[int, float],
) -> Status:
    """Of a presented picture, or before the first.

    Args:
        size: the picture's width and height; 0 by 0 before the first.
        latency_ms: from its capture to now.
        reading: of it.
        desk: for what the recorder says and how many events there are.
        performance: of the operating points, by name.
        served: viewers connected now, and pictures a second that each of them gets.
    """
    choices, keeping, findings = reading.choices, desk.keeping, reading.findings
    values = None if choices.prevalence is None else performance.get(choices.point.name)
    return Status(
        record=record_of(reading, reading.shown),
        width=size[0],
        height=size[1],
        fps=round(reading.rate, 1),
        dropped=reading.dropped,
        latency_ms=round(latency_ms, 1),
        point=choices.point.name,
        threshold=choices.point.threshold,
        n=getattr(reading.shown, "n", 0),
        region=_corners(reading.region),
        panel=_corners(reading.panel),
        chosen=choices.roi is not None,
        hidden=choices.hidden,
        second_reader=choices.second_reader,
        grade=choices.grade,
        heatmap=choices.heatmap,
        features_shown=choices.features,
        lesion=_corners(findings.lesion),
        marked=choices.lesion is not None,
        size=size_words(findings),
        features=() if findings.features is None else feature_words(findings.features),
        contradiction=None if choices.concealed else findings.contradiction,
        best=best_of(findings.best, known=isinstance(reading.shown, RiskEstimate)),
        moved=choices.place is not None,
        prevalence=choices.prevalence,
        ppv=None if values is None else values.ppv(choices.prevalence or 0.0),
        npv=None if values is None else values.npv(choices.prevalence or 0.0),
        recording=keeping.recording,
        recording_wanted=choices.recording,
        recording_refused=keeping.refused,
        recording_text=keeping.text,
        case=choices.case,
        events=desk.noted,
        viewers=served[0],
        served_fps=round(served[1], 1),
        heat=heat_words(reading),
    )


def best_of(frames: tuple[BestFrame, ...], *, known: bool) -> tuple[tuple[int, float | None, float], ...]:
    """Number, risk where one is `known` and may be shown, and quality."""
    return tuple(
        (one.sequence, round(one.risk, 4) if known else None, round(one.quality, 3)) for one in frames
    )


def _corners(roi: Roi | None) -> tuple[int, int, int, int] | None:
    return None if roi is None else (roi.x, roi.y, roi.width, roi.height)
