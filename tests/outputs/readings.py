"""Readings as the loop makes them, for tests of what is kept."""

from __future__ import annotations

from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.exam.desk import Choices
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State

IDENTITY = Identity("fake", "abcdef012345", "fp32")
POINT = OperatingPoint(name="balanced", threshold=0.5)


def reading(frame, *, field=None, recording=True, state=State.LIVE, risk=None, under=(), panel=None):
    """Of a frame, with a risk or none."""
    estimate = (
        NoEstimate("waiting for the first risk")
        if risk is None
        else RiskEstimate(risk, risk - 0.1, risk + 0.1, 5, frame.sequence, frame.captured_ns)
    )
    choices = Choices(None, POINT, recording=recording)
    field = Roi(0, 0, frame.width, frame.height) if field is None else field
    age_ms = None if risk is None else 0.0
    return Reading(
        sequence=frame.sequence,
        captured_ns=frame.captured_ns,
        state=state,
        estimate=estimate,
        age_ms=age_ms,
        rate=25.0,
        dropped=0,
        field=field,
        region=field,
        choices=choices,
        under=under,
        panel=panel,
    )
