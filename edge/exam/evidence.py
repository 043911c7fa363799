"""The risk over the good frames of a lesion, with an interval that counts what has really been seen.

Frames of a sweep are alike, so a hundred of them are no hundred observations, and a probe held still adds
none. What counts are looks: a look is new once the picture has changed so far that the network's risk no
longer follows from the last one. The interval is for the risk that the same network would give averaged over
all good frames of one whole sweep over the lesion; `sonocart coverage` measures how often it holds that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.exam.findings import BestFrame

STALE_AFTER_NS = 500_000_000
LEVEL = 0.90
"""Nominal coverage of the interval."""

_Z = 1.645  # two-sided, for LEVEL
_NEW = 0.08  # 1 - correlation of two thumbnails at which a look is new; fitted with the prior on 150 sweeps
_PRIOR_DEVIATION = 0.7  # logit, of single frames about their sweep's mean, until the sweep tells
_PRIOR_LOOKS = 2.0  # that this prior counts for
_MEMORY = 20.0  # looks after which a frame counts for 1/e: whoever scans on leaves the lesion
_THUMB = 16  # pixels a side: speckle is averaged away, anatomy is not
_PICTURE = 64  # pixels a side of a best frame's picture
_BEST = 6
_CLIP = 1e-4


@dataclass(frozen=True, slots=True)
class RiskEstimate:
    """The running risk.

    Attributes:
        risk: mean of the single-frame risks over their logits, weighted by quality, 0 to 1.
        low, high: 90 % interval for the mean over the whole sweep. It says how far this part of the sweep
            speaks for all of it, not how often the network is right.
        n: good frames since the last reset.
        sequence, captured_ns: of the newest of them.
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


@dataclass(frozen=True, slots=True)
class Shot:
    """What was handed to the network: `quality` 0 to 1, a `thumb` to compare, a `picture` to show."""

    quality: float
    thumb: NDArray[np.float32]
    picture: NDArray[np.uint8]


def shot_of(tensor: NDArray[np.uint8], quality: float) -> Shot:
    """Of a prepared tensor, uint8 (1, 1, h, w), which may be overwritten afterwards."""
    small = cv2.resize(tensor[0, 0], (_THUMB, _THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    picture = cv2.resize(tensor[0, 0], (_PICTURE, _PICTURE), interpolation=cv2.INTER_AREA)
    picture.flags.writeable = False
    return Shot(quality, small / max(float(np.linalg.norm(small)), 1e-6), picture)


class Evidence:
    """Sums over the good frames since the last reset. Whoever adds decides what a good frame is."""

    def __init__(self) -> None:
        """Empty."""
        self.reset("waiting for the first risk")

    def reset(self, reason: str) -> None:
        """Forget all frames: another lesion, another scene, or nothing that may be trusted any more."""
        self.best: tuple[BestFrame, ...] = ()
        self._reason = reason
        self._newest = (0, 0)
        self._n = 0
        self._weight = self._sum = self._squares = 0.0
        self._key: NDArray[np.float32] | None = None
        self._looks = 0  # whole ones, before the present
        self._part = 0.0  # of the present look, 0 to 1
        self._numbers: dict[int, int] = {}  # sequence of a best frame to its look

    @property
    def looks(self) -> float:
        """Independent views so far; 0 before the first frame."""
        return 1.0 + self._looks + self._part if self._n else 0.0

    def add(self, risk: float, sequence: int, captured_ns: int, shot: Shot) -> None:
        """One frame's risk, 0 to 1, and what it was computed on."""
        before = self.looks
        self._follow(shot)
        fade = math.exp((before - self.looks) / _MEMORY) if self._n else 1.0
        clipped = min(max(risk, _CLIP), 1.0 - _CLIP)
        logit, weight = math.log(clipped / (1.0 - clipped)), max(shot.quality, 1e-3)
        self._n += 1
        self._weight = self._weight * fade + weight
        self._sum = self._sum * fade + weight * logit
        self._squares = self._squares * fade + weight * logit * logit
        self._newest = sequence, captured_ns
        self._keep(BestFrame(sequence, captured_ns, risk, shot.quality, shot.picture))

    def estimate(self, now_ns: int) -> RiskEstimate | NoEstimate:
        """The risk as of now, withheld when its newest frame is older than `STALE_AFTER_NS`."""
        if not self._n:
            return NoEstimate(self._reason)
        sequence, captured_ns = self._newest
        if now_ns - captured_ns > STALE_AFTER_NS:
            return NoEstimate(f"last risk is {(now_ns - captured_ns) / 1e9:.1f} s old")
        looks = self.looks
        mean = self._sum / self._weight
        spread = max(0.0, self._squares / self._weight - mean * mean)
        prior = _PRIOR_LOOKS * _PRIOR_DEVIATION**2
        variance = (looks * spread + prior) / (looks - 1.0 + _PRIOR_LOOKS)
        half = _Z * math.sqrt(variance / min(looks, 2 * _MEMORY))
        return RiskEstimate(
            _sigmoid(mean), _sigmoid(mean - half), _sigmoid(mean + half), self._n, sequence, captured_ns
        )

    def _follow(self, shot: Shot) -> None:
        """Count how far the picture has gone from the one that the present look began with."""
        if self._key is None:
            self._key = shot.thumb
            return
        gone = (1.0 - float((self._key * shot.thumb).sum())) / _NEW
        if gone < 1.0:
            self._part = max(self._part, gone)
            return
        self._looks, self._part, self._key = self._looks + 1, 0.0, shot.thumb

    def _keep(self, frame: BestFrame) -> None:
        """Among the best, one of each look, if it is better than what is there."""
        self._numbers[frame.sequence] = self._looks
        rival = next((old for old in self.best if self._numbers[old.sequence] == self._looks), None)
        if rival is not None and rival.quality >= frame.quality:
            del self._numbers[frame.sequence]
            return
        kept = sorted((*(old for old in self.best if old is not rival), frame), key=lambda old: -old.quality)
        self.best = tuple(kept[:_BEST])
        self._numbers = {old.sequence: self._numbers[old.sequence] for old in self.best}


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
