"""The session's log: one JSON object a presented frame, one frame a line."""

from __future__ import annotations

import logging
import os
import queue
import threading
from contextlib import suppress
from io import FileIO
from pathlib import Path

import msgspec

from edge.contract.frame import Frame
from edge.errors import CannotCreateError
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Reading

logger = logging.getLogger(__name__)


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


_CLOSING_S = 2.0

QUEUE = 256
"""Lines that wait for the disk at most, some eight seconds; further ones are dropped and counted."""


class SessionLog:
    """Appends to one file in a thread of its own: a disk that stalls or fails holds up no picture.

    A line is handed to the system as it is written, so that a crash loses no more than what waits.
    """

    def __init__(self, path: Path):
        """Create the file, or go on at its end: a restart erases nothing. Start the thread.

        Raises:
            CannotCreateError: it cannot be written.
        """
        try:
            self._file = path.open("ab+", buffering=0)
            if self._file.seekable() and self._file.tell() and not _ends_a_line(self._file):
                self._file.write(b"\n")  # what a kill has torn is a line of its own
        except OSError as error:
            raise CannotCreateError(f"cannot write the log '{path}': {error.strerror}") from error
        self._encoder = msgspec.json.Encoder()
        self._lines: queue.Queue[Record | None] = queue.Queue(QUEUE)
        self.failure: str | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:  # noqa: ARG002 - see Output
        """One line. After a failed write, for instance on a full disk, nothing more is written."""
        if self.failure is not None:
            return
        try:
            self._lines.put_nowait(record_of(reading, reading.estimate))
        except queue.Full:
            self.dropped += 1

    def note(self, reading: Reading) -> None:
        """The log has a line for each picture and none between them."""

    def close(self) -> None:
        """Write what waits, for two seconds at most, and close the file."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSING_S)
        self._thread.join(timeout=_CLOSING_S)
        if not self._thread.is_alive():  # else the system call that hangs still needs the descriptor
            self._file.close()

    def _run(self) -> None:
        while (record := self._lines.get()) is not None:
            if self.failure is not None:
                continue
            line = self._encoder.encode(record) + b"\n"
            try:
                if self._file.write(line) != len(line):
                    self.failure = "the log has stopped: no space left on device"
            except OSError as error:
                self.failure = f"the log has stopped: {error.strerror}"
            if self.failure is not None:
                logger.error("%s", self.failure)  # a service may run for weeks before its end tells


def _ends_a_line(file: FileIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
