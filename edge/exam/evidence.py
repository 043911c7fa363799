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
THUMB = 16  # pixels a side: speckle is averaged away, anatomy is not
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
    small = cv2.resize(tensor[0, 0], (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    picture = cv2.resize(tensor[0, 0], (_PICTURE, _PICTURE), interpolation=cv2.INTER_AREA)
    picture.flags.writeable = False
    return Shot(quality, small / max(float(np.linalg.norm(small)), 1e-6), picture)


@dataclass(frozen=True, slots=True)
class Sums:
    """All that the figures come from. The numbers fade with the looks, but `n` and `looks` do not.

    Attributes:
        n: frames.
        weight, total, squares: sums of the weights, of weight x logit, and of weight x logit squared.
        looks: whole ones before the present.
        part: of the present look, 0 to 1.
        newest: sequence and captured_ns of the newest frame.
        key: the thumbnail that the present look began with.
    """

    n: int = 0
    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    looks: int = 0
    part: float = 0.0
    newest: tuple[int, int] = (0, 0)
    key: NDArray[np.float32] | None = None


class Evidence:
    """The good frames since the last reset. Whoever adds decides what a good frame is."""

    def __init__(self, sums: Sums | None = None) -> None:
        """Empty, or going on from `sums`."""
        self.reset("waiting for the first risk")
        if sums is not None:
            self.sums = sums

    def reset(self, reason: str) -> None:
        """Forget all frames: another lesion, another scene, or nothing that may be trusted any more."""
        self.sums = Sums()
        self.best: tuple[BestFrame, ...] = ()
        self._reason = reason
        self._numbers: dict[int, int] = {}  # sequence of a best frame to its look

    @property
    def looks(self) -> float:
        """Independent views so far; 0 before the first frame."""
        return 1.0 + self.sums.looks + self.sums.part if self.sums.n else 0.0

    def add(self, risk: float, sequence: int, captured_ns: int, shot: Shot) -> None:
        """One frame's risk, 0 to 1, and what it was computed on."""
        old = self.sums
        looks, part, key = _follow(old, shot)
        fade = math.exp((old.looks + old.part - looks - part) / _MEMORY)
        clipped = min(max(risk, _CLIP), 1.0 - _CLIP)
        logit, weight = math.log(clipped / (1.0 - clipped)), max(shot.quality, 1e-3)
        self.sums = Sums(
            old.n + 1,
            old.weight * fade + weight,
            old.total * fade + weight * logit,
            old.squares * fade + weight * logit * logit,
            looks,
            part,
            (sequence, captured_ns),
            key,
        )
        self._keep(BestFrame(sequence, captured_ns, risk, shot.quality, shot.picture))

    def estimate(self, now_ns: int) -> RiskEstimate | NoEstimate:
        """The risk as of now, withheld when its newest frame is older than `STALE_AFTER_NS`."""
        sums = self.sums
        if not sums.n:
            return NoEstimate(self._reason)
        sequence, captured_ns = sums.newest
        if now_ns - captured_ns > STALE_AFTER_NS:
            return NoEstimate(f"last risk is {(now_ns - captured_ns) / 1e9:.1f} s old")
        looks = self.looks
        mean = sums.total / sums.weight
        spread = max(0.0, sums.squares / sums.weight - mean * mean)
        prior = _PRIOR_LOOKS * _PRIOR_DEVIATION**2
        variance = (looks * spread + prior) / (looks - 1.0 + _PRIOR_LOOKS)
        half = _Z * math.sqrt(variance / min(looks, 2 * _MEMORY))
        return RiskEstimate(
            _sigmoid(mean), _sigmoid(mean - half), _sigmoid(mean + half), sums.n, sequence, captured_ns
        )

    def _keep(self, frame: BestFrame) -> None:
        """Among the best, one of each look, if it is better than what is there."""
        self._numbers[frame.sequence] = self.sums.looks
        rival = next((old for old in self.best if self._numbers[old.sequence] == self.sums.looks), None)
        if rival is not None and rival.quality >= frame.quality:
            del self._numbers[frame.sequence]
            return
        kept = sorted((*(old for old in self.best if old is not rival), frame), key=lambda old: -old.quality)
        self.best = tuple(kept[:_BEST])
        self._numbers = {old.sequence: self._numbers[old.sequence] for old in self.best}


def _follow(sums: Sums, shot: Shot) -> tuple[int, float, NDArray[np.float32]]:
    """Looks, part and key once the picture has gone as far from the key as `shot` has."""
    if sums.key is None:
        return 0, 0.0, shot.thumb
    gone = (1.0 - float((sums.key * shot.thumb).sum())) / _NEW
    if gone < 1.0:
        return sums.looks, max(sums.part, gone), sums.key
    return sums.looks + 1, 0.0, shot.thumb


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
