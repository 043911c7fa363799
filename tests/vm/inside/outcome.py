"""What came of a scenario, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass

STILL_S = 0.3  # longer than a busy host's ordinary turn, shorter than any state's patience


class FailedError(Exception):
    """The service did something else than it must; the text says what. No machine is too slow for that."""


class LateError(FailedError):
    """It did not do it in time, or not all the time: that also comes of a machine that does without time."""

    def __init__(self, text: str, still_s: float = STILL_S):
        """`still_s`: it is the service's fault unless the machine stood still for longer."""
        super().__init__(text)
        self.still_s = still_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """`seen` in words; seconds from the fault to the withheld risk and from the cure to a live picture.

    None where there was nothing to measure: a fault that the picture survives, a service that was not up.
    """

    seen: str
    withheld_s: float | None = None
    live_s: float | None = None
