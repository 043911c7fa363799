"""The risk over the last good frames, or the reason why there is none."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_NS = 2_000_000_000
STALE_AFTER_NS = 500_000_000
_Z90 = 1.645
_PRIOR_DEVIATION = 0.6  # logit; spread of single-frame risks over phantom sweeps, until the frames tell
_PRIOR_WEIGHT = 4.0  # frames that the prior counts for
_CLIP = 1e-4


@dataclass(frozen=True, slots=True)
class RiskEstimate:
    """The running risk.

    Attributes:
        risk: mean of the single-frame risks in the window, taken over their logits, 0 to 1.
        low, high: the range in which nine of ten single-frame risks of this window lie, by their mean and
            deviation in logits. It says how steady the network is on this view, not how often it is right.
        n: frames in the window.
        sequence, captured_ns: of the newest frame in it.
    """

    risk: float
    low: float
    high: float
    n: int
    sequence: int
    captured_ns: int


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """No risk is shown, and why."""

    reason: str


class Evidence:
    """A window of single-frame risks over `WINDOW_NS`. Whoever adds decides what a good frame is."""

    def __init__(self) -> None:
        """Empty."""
        self._frames: deque[tuple[int, int, float]] = deque()  # captured_ns, sequence, logit
        self._reason = "waiting for the first risk"

    def add(self, risk: float, sequence: int, captured_ns: int) -> None:
        """One frame's risk, 0 to 1."""
        clipped = min(max(risk, _CLIP), 1.0 - _CLIP)
        self._frames.append((captured_ns, sequence, math.log(clipped / (1.0 - clipped))))
        while captured_ns - self._frames[0][0] > WINDOW_NS:
            self._frames.popleft()

    def reset(self, reason: str) -> None:
        """Forget all frames: another scene, or nothing that may be trusted any more."""
        self._frames.clear()
        self._reason = reason

    def estimate(self, now_ns: int) -> RiskEstimate | NoEstimate:
        """The risk as of now, withheld when its newest frame is older than `STALE_AFTER_NS`."""
        if not self._frames:
            return NoEstimate(self._reason)
        captured_ns, sequence, _ = self._frames[-1]
        if now_ns - captured_ns > STALE_AFTER_NS:
            return NoEstimate(f"last risk is {(now_ns - captured_ns) / 1e9:.1f} s old")
        logits = [logit for _, _, logit in self._frames]
        n = len(logits)
        mean = sum(logits) / n
        squares = sum((logit - mean) ** 2 for logit in logits)
        deviation = math.sqrt(
            (squares + _PRIOR_WEIGHT * _PRIOR_DEVIATION**2) / (max(n - 1, 0) + _PRIOR_WEIGHT)
        )
        return RiskEstimate(
            risk=_sigmoid(mean),
            low=_sigmoid(mean - _Z90 * deviation),
            high=_sigmoid(mean + _Z90 * deviation),
            n=n,
            sequence=sequence,
            captured_ns=captured_ns,
        )


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
