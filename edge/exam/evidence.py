"""The risk over the good frames of a lesion, with an interval that counts what has really been seen.

Frames of a sweep are alike, so a hundred of them are no hundred observations, and a probe held still adds
none. What counts are looks: a look is new once the picture has changed so far that the network's risk no
longer follows from the last one. How far the mean may still move is measured with each model (`Spread`) and,
as looks add up, on the lesion itself. The interval is for the risk that the same network would give averaged
over all good frames of one whole sweep over the lesion; `sonocart coverage` measures how often it holds that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.exam.findings import BestFrame
from edge.exam.spread import UNMEASURED, Spread

STALE_AFTER_NS = 500_000_000
LEVEL = 0.90
"""Nominal coverage of the interval."""

_Z = 1.645  # two-sided, for LEVEL
_NEW = 0.08  # 1 - correlation of two thumbnails at which a look is new
_PRIOR = 4.0  # independent views that the model's own spread counts for, until the sweep tells
_MOST = 10.0  # looks: more of them, over and over the same lesion, make nothing more certain
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
    """What was handed to the network: `quality` 0 to 1, a `thumb` to compare, and the tensor's picture."""

    quality: float
    thumb: NDArray[np.float32]
    whole: NDArray[np.uint8]

    def picture(self) -> NDArray[np.uint8]:
        """To be shown: small and read-only. It is made where a frame is kept, which few are."""
        small = cv2.resize(self.whole, (_PICTURE, _PICTURE), interpolation=cv2.INTER_AREA)
        small.flags.writeable = False
        return np.asarray(small, np.uint8)


def shot_of(tensor: NDArray[np.uint8], quality: float) -> Shot:
    """Of a prepared tensor, uint8 (1, 1, h, w), which may be overwritten afterwards."""
    small = cv2.resize(tensor[0, 0], (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    return Shot(quality, small / max(cv2.norm(small), 1e-6), tensor[0, 0].copy())


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

    @property
    def seen(self) -> float:
        """Looks so far, the present one included; 0 before the first frame."""
        return 1.0 + self.looks + self.part if self.n else 0.0


class Evidence:
    """The good frames since the last reset. Whoever adds decides what a good frame is."""

    def __init__(self, sums: Sums | None = None, spread: Spread = UNMEASURED) -> None:
        """Empty, or going on from `sums`; `spread` is the model's."""
        self._spread = spread
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
        return self.sums.seen

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
        self._keep(shot, risk, sequence, captured_ns)

    def estimate(self, now_ns: int) -> RiskEstimate | NoEstimate:
        """The risk as of now, withheld when its newest frame is older than `STALE_AFTER_NS`."""
        sums = self.sums
        if not sums.n:
            return NoEstimate(self._reason)
        sequence, captured_ns = sums.newest
        if now_ns - captured_ns > STALE_AFTER_NS:
            return NoEstimate(f"last risk is {(now_ns - captured_ns) / 1e9:.1f} s old")
        mean, half = sums.total / sums.weight, half_width(sums, self._spread)
        return RiskEstimate(
            _sigmoid(mean), _sigmoid(mean - half), _sigmoid(mean + half), sums.n, sequence, captured_ns
        )

    def _keep(self, shot: Shot, risk: float, sequence: int, captured_ns: int) -> None:
        """Among the best, one of each look, if it is better than what is there."""
        rival = next((old for old in self.best if self._numbers[old.sequence] == self.sums.looks), None)
        if rival is None and len(self.best) == _BEST:
            rival = self.best[-1]
        if rival is not None and rival.quality >= shot.quality:
            return
        frame = BestFrame(sequence, captured_ns, risk, shot.quality, shot.picture())
        self._numbers[sequence] = self.sums.looks
        kept = sorted((*(old for old in self.best if old is not rival), frame), key=lambda old: -old.quality)
        self.best = tuple(kept[:_BEST])
        self._numbers = {old.sequence: self._numbers[old.sequence] for old in self.best}


def half_width(sums: Sums, spread: Spread) -> float:
    """Of the interval about the mean logit, of one frame or more."""
    mean = sums.total / sums.weight
    varied = max(0.0, sums.squares / sums.weight - mean * mean)
    # The next look is much like the last one, and what is still unseen becomes less: the error of the
    # mean falls slowly at first, then faster than with the root of the looks.
    views = 1.0 + ((min(sums.seen, _MOST) - 1.0) / spread.reach) ** 2
    freedom = views - 1.0 + _PRIOR
    variance = (views * varied + _PRIOR * spread.deviation**2) / freedom
    return _quantile(freedom) * math.sqrt(variance / views)


def _follow(sums: Sums, shot: Shot) -> tuple[int, float, NDArray[np.float32]]:
    """Looks, part and key once the picture has gone as far from the key as `shot` has."""
    if sums.key is None:
        return 0, 0.0, shot.thumb
    gone = (1.0 - float((sums.key * shot.thumb).sum())) / _NEW
    if gone < 1.0:
        return sums.looks, max(sums.part, gone), sums.key
    return sums.looks + 1, 0.0, shot.thumb


def _quantile(freedom: float) -> float:
    """Of Student's t for LEVEL, two-sided, after Cornish and Fisher; 1 % short at 4 degrees of freedom."""
    cubed, fifth = _Z**3, _Z**5
    first, second = (cubed + _Z) / 4, (5 * fifth + 16 * cubed + 3 * _Z) / 96
    return _Z + first / freedom + second / freedom**2


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
