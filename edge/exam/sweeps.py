"""Synthetic sweeps over whole lesions, what a network says of them, and the running risk played over them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import still
from edge.contract.preprocess import Tensor, prepare
from edge.contract.roi import Roi
from edge.contract.spec import Preprocessing
from edge.engines.base import Engine
from edge.exam.evidence import Evidence, RiskEstimate, Sums, shot_of
from edge.exam.spread import Spread
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import CineOptions, make_cine
from edge.phantom.workers import workers

SLICES = 48
LEAST = 8
"""Pictures of a lesion, below which its sweep is not judged: the path has hardly met it."""

PARTS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the sweep, seen so far, when the interval is looked at."""

LATER = 2.0
"""Sweeps, there and back: looked at too, and not part of any verdict."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every slice that cuts the lesion: the tensor that the network gets, and the risk that it gives."""

    tensors: list[Tensor]
    risks: list[float]

    @property
    def judged(self) -> bool:
        """False if the path has hardly met the lesion."""
        return len(self.risks) >= LEAST


@dataclass(slots=True)
class Trial:
    """At one part of the sweep, each time that it was played.

    Attributes:
        held: whether the interval held the whole sweep's mean.
        widths: of the interval, in risk.
        errors: of the running mean, logit.
        sums: what the evidence was.
    """

    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)


def no_trials() -> dict[float, Trial]:
    """One for each part of the sweep; nothing was played yet."""
    return {part: Trial() for part in (*PARTS, LATER)}


def sweeps(seeds: range, engine: Engine, size: Preprocessing) -> Iterator[Sweep]:
    """A sweep over the lesion of a patient for each of `seeds`, in their order; all cores draw them."""
    jobs = min(len(os.sched_getaffinity(0)), len(seeds))
    with workers(jobs) as pool:
        for tensors in pool.map(partial(slices_of, size=size, count=SLICES), seeds):
            yield Sweep(tensors, [engine.infer(tensor).risk for tensor in tensors])


def slices_of(seed: int, size: Preprocessing, count: int) -> list[Tensor]:
    """What the network gets of `count` slices, of those that cut the lesion.

    Both labels, both screens, linear probes twice as often as sectors, as in the phantom's study.
    """
    label, layout = ("benign", "malignant")[seed % 2], tuple(LAYOUTS)[seed // 2 % 2]
    geometry = ("linear", "linear", "sector")[seed % 3]
    cine = make_cine(CineOptions(seed, label, 640, 480, layout, geometry, "sweep", count), lambda _: None)
    tensors = []
    for luma, lesion in zip(cine.slices, cine.lesions, strict=True):
        if lesion is None:
            continue
        picture = still(luma)
        box = Roi(lesion.x - cine.field.x, lesion.y - cine.field.y, lesion.width, lesion.height)
        region = picture.bounds if size.region == "field" else size.crop(box, picture.bounds)
        tensors.append(prepare(picture, region, size.width, size.height))
    return tensors


def play(
    sweep: Sweep, speed: int, rng: np.random.Generator, trials: dict[float, Trial], spread: Spread
) -> None:
    """Play one sweep from a random place to and fro, and look at the interval on the way.

    Args:
        sweep: one that is not `judged` is left alone.
        speed: how often each picture is shown; a slow hand shows nearly the same again and again.
        rng: draws place and direction.
        trials: by the part of the sweep that was seen; they are added to.
        spread: the model's.
    """
    if not sweep.judged:
        return
    count, truth = len(sweep.risks), float(logits(sweep.risks).mean())
    shots = [shot_of(tensor, 1.0) for tensor in sweep.tensors]
    order = _path(count, rng)
    evidence = Evidence(spread=spread)
    looked_at = {round(part * count * speed): part for part in trials}
    for shown in range(1, round(LATER * count * speed) + 1):
        index = order((shown - 1) // speed)
        evidence.add(sweep.risks[index], shown, 0, shots[index])
        if shown in looked_at:
            estimate, trial = evidence.estimate(0), trials[looked_at[shown]]
            assert isinstance(estimate, RiskEstimate)
            trial.held.append(_logit(estimate.low) <= truth <= _logit(estimate.high))
            trial.errors.append(_logit(estimate.risk) - truth)
            trial.widths.append(estimate.high - estimate.low)
            trial.sums.append(evidence.sums)


def _path(count: int, rng: np.random.Generator) -> Callable[[int], int]:
    """From a random slice in a random direction, turning at the ends."""
    start, way, period = int(rng.integers(count)), int(rng.choice([-1, 1])), 2 * (count - 1)

    def at(step: int) -> int:
        place = (start + way * step) % period
        return place if place < count else period - place

    return at


def logits(risks: list[float]) -> NDArray[np.float64]:
    """As the estimate takes them."""
    clipped = np.clip(np.asarray(risks, np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _logit(risk: float) -> float:
    """Not clipped; infinite at 0 and 1."""
    return math.log(risk / (1.0 - risk)) if 0.0 < risk < 1.0 else math.copysign(math.inf, risk - 0.5)
