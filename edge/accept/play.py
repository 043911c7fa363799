"""One case through the whole pipeline."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

from edge.accept.verdict import Verdict
from edge.contract.bundle import Bundle
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.worker import EngineWorker
from edge.exam.desk import Choices, Desk
from edge.exam.evidence import RiskEstimate
from edge.exam.examination import Examination
from edge.exam.reading import Identity, Reading
from edge.exam.spread import read_spread
from edge.loop import Parts, run_loop
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.sources.still import StillSource
from edge.sources.video import VideoSource
from edge.study.cases import Case
from edge.timing import Timing

CLIPS = (".mp4", ".mkv", ".mov", ".avi", ".m4v")
"""Suffixes of the videos that count as cases."""


def play(
    case: Case, root: Path, bundle: Bundle, point: OperatingPoint, worker: EngineWorker, timing: Timing
) -> Verdict:
    """One case through the whole pipeline, picture by picture.

    Raises:
        NoInputError, DataError: the file cannot be read, or is damaged.
    """
    clip = case.path.suffix.lower() in CLIPS
    source = VideoSource(case.path, pace=Pace.MAX) if clip else StillSource(case.path, case.frame)
    spec, seen = bundle.spec, _Seen()
    # A study's still without a field is all field (see `Case`); in a clip the field is found, as at the cart.
    field = case.field or (None if clip else Roi(0, 0, source.info.width, source.info.height))
    roi = case.lesion if spec.preprocessing.region == "lesion" else field
    capture = Capture(source, Pace.MAX, timing)
    parts = Parts(
        capture,
        worker,
        Examination(spec.preprocessing.region, spec.ood_threshold, spread=read_spread(bundle)),
        spec.preprocessing,
        Identity(spec.name, bundle.id, worker.engine),
        Desk(spec, Choices(roi, point)),
        (seen,),
        timing,
        Pace.MAX,
        threading.Event(),
    )
    try:
        capture.start()
        run_loop(parts)
    finally:
        capture.close()
    if capture.failure is not None:
        raise capture.failure
    best = seen.best
    return Verdict(
        case=os.path.relpath(case.path, root),
        malignant=case.malignant,
        risk=None if best is None else round(best.risk, 6),
        n=0 if best is None else best.n,
        reason=None if best is not None else next(iter(seen.reasons.most_common(1)), ("no picture", 0))[0],
        pictures=seen.pictures,
    )


class _Seen:
    """An output of the loop that keeps the estimate with the most frames behind it."""

    def __init__(self) -> None:
        self.best: RiskEstimate | None = None
        self.reasons: Counter[str] = Counter()
        self.pictures = 0

    def present(self, frame: Frame, reading: Reading) -> None:  # noqa: ARG002 - see Output
        self.pictures += 1
        estimate = reading.estimate
        if not isinstance(estimate, RiskEstimate):
            self.reasons[estimate.reason] += 1
        elif self.best is None or estimate.n >= self.best.n:
            self.best = estimate

    def note(self, reading: Reading) -> None:
        pass
