"""One deadline for all that is finished at the end: whoever stops the service waits for the sum."""

from __future__ import annotations

import time
from typing import Protocol

CLOSING_S = 50.0
"""For recordings, DICOM objects and the black box together; with what the others take at most it stays below
systemd's TimeoutStopSec, after which all that is unfinished would be killed."""

SPARE_S = 15.0
"""Of it, that recorders with a slow disk leave to what is finished after them."""


class Patient(Protocol):
    """Something that may take its time to finish what it writes."""

    def close(self, patience_s: float) -> None:
        """Finish within so many seconds, or leave it behind."""


class Closing:
    """Counts from the first close on."""

    def __init__(self, seconds: float = CLOSING_S):
        """Nothing is closed yet."""
        self._seconds = seconds
        self._end_s: float | None = None

    def close(self, output: Patient, spare_s: float = 0.0) -> None:
        """Give `output` what is left, but for `spare_s` seconds."""
        now_s = time.monotonic()
        if self._end_s is None:
            self._end_s = now_s + self._seconds
        output.close(max(0.0, self._end_s - spare_s - now_s))
