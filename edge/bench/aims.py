"""What a figure has to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aim:
    """A range for one figure; a figure that is no number is never in it."""

    figure: str
    low: float
    high: float

    def judge(self, figures: Mapping[str, float]) -> str:
        """A line with the figure, what it has to be, and the verdict."""
        value = figures[self.figure]
        wanted = f"up to {self.high:g}" if self.low == 0 else f"{self.low:g} to {self.high:g}"
        if self.high == float("inf"):
            wanted = f"{self.low:g} or more"
        return f"{self.figure}: {value:.3g}, aim {wanted}: {'met' if self.met(figures) else 'NOT MET'}"

    def met(self, figures: Mapping[str, float]) -> bool:
        """True if the figure lies in the range."""
        return self.low <= figures[self.figure] <= self.high
