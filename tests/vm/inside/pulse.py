"""How much of its host's time the machine did without: what fails then says nothing of the service."""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise

_BEAT_S = 0.02
SHORT = 0.5  # of the time: as if another had taken every second turn


def be_hardware() -> None:
    """The calling thread runs before every program, as what it stands for would; what it starts does not.

    Every thread that shares the interpreter's lock with the scanner's needs it.
    """
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(50))


class Pulse:
    """Beats in a thread of its own, and keeps when."""

    def __init__(self) -> None:
        """Begin to beat."""
        self._beats: list[float] = []
        threading.Thread(target=self._beat, daemon=True).start()

    def late(self, begin: float) -> tuple[float, float]:
        """Since then: the longest wait for a beat in seconds, and the share of time that beats were late."""
        beats = [beat for beat in list(self._beats) if beat >= begin]
        gaps = [after - before for before, after in pairwise(beats)]
        return max(gaps, default=0.0), sum(gap - _BEAT_S for gap in gaps) / max(sum(gaps), _BEAT_S)

    def _beat(self) -> None:
        be_hardware()
        while True:
            self._beats.append(time.monotonic())
            time.sleep(_BEAT_S)


def lack(longest_s: float, share: float, still_s: float) -> str:
    """What a machine whose beats were so late did without, in words; nothing if it kept up.

    `still_s` is how long it may stand still at once.
    """
    if longest_s > still_s:
        return f"the machine stood still for {longest_s:.1f} s"
    return f"the machine was late for {100 * share:.0f} % of the time" if share > SHORT else ""
