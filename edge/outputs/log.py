"""The session's log: one JSON object a presented frame, one frame a line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.contract.frame import Frame
from edge.errors import CannotCreateError
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Reading


class Record(msgspec.Struct, frozen=True):
    """A line of the log. `risk`, `low`, `high`, `age_ms` are null exactly where `reason` is not."""

    sequence: int
    captured_ns: int
    state: str
    risk: float | None
    low: float | None
    high: float | None
    reason: str | None
    age_ms: float | None


def record_of(reading: Reading, estimate: RiskEstimate | NoEstimate) -> Record:
    """A reading in words and rounded figures; `estimate` is its own, or what may be shown of it."""
    known = estimate if isinstance(estimate, RiskEstimate) else None
    return Record(
        sequence=reading.sequence,
        captured_ns=reading.captured_ns,
        state=reading.state.value,
        risk=None if known is None else round(known.risk, 4),
        low=None if known is None else round(known.low, 4),
        high=None if known is None else round(known.high, 4),
        reason=None if isinstance(estimate, RiskEstimate) else estimate.reason,
        age_ms=None if known is None or reading.age_ms is None else round(reading.age_ms, 1),
    )


class SessionLog:
    """Appends to one file; a line is handed to the system when it is written, so a crash loses none."""

    def __init__(self, path: Path):
        """Create the file.

        Raises:
            CannotCreateError: it cannot be written.
        """
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise CannotCreateError(f"cannot write the log '{path}': {error.strerror}") from error
        self._encoder = msgspec.json.Encoder()
        self.failure: str | None = None

    def present(self, frame: Frame, reading: Reading) -> None:  # noqa: ARG002 - see Output
        """One line. After a failed write, for instance on a full disk, nothing more is written."""
        if self.failure is not None:
            return
        line = self._encoder.encode(record_of(reading, reading.estimate)) + b"\n"
        try:
            if self._file.write(line) != len(line):
                self.failure = "the log has stopped: no space left on device"
        except OSError as error:
            self.failure = f"the log has stopped: {error.strerror}"

    def note(self, reading: Reading) -> None:
        """The log has a line for each picture and none between them."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()
