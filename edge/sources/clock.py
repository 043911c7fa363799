"""When the pictures of a clip are due that is played as a scanner would show it."""

from __future__ import annotations

import threading
import time

_LATE_NS = 1_000_000_000


class LiveClock:
    """Begins with the first picture. After a suspend or a long halt it goes on from there.

    What was due meanwhile is not delivered in a rush: a scanner does not catch up either.
    """

    def __init__(self, closed: threading.Event):
        """`closed` ends any waiting."""
        self._closed = closed
        self._began_ns: int | None = None

    def wait(self, at_ns: int) -> int:
        """Wait until the picture at `at_ns` of the clip's own time is due; CLOCK_MONOTONIC by then, ns."""
        now_ns = time.monotonic_ns()
        if self._began_ns is None or now_ns - self._began_ns - at_ns > _LATE_NS:
            self._began_ns = now_ns - at_ns
        self._closed.wait(max(0, self._began_ns + at_ns - now_ns) / 1e9)
        return time.monotonic_ns()
