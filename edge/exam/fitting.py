"""How far a model's risk varies over a lesion, measured on synthetic sweeps: what its interval rests on."""

from __future__ import annotations

import logging
import math

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from edge.contract.bundle import NewFile
from edge.contract.spec import Preprocessing
from edge.engines.base import Engine
from edge.exam.evidence import LEVEL, half_width
from edge.exam.spread import SPREAD, UNMEASURED, Spread
from edge.exam.sweeps import PARTS, Sweep, logits, no_trials, play, sweeps

logger = logging.getLogger(__name__)

FIT_SWEEPS, FIT_SEED = 64, 5000
_STARTS = 4  # that each of these sweeps is played from
_REACH = (0.3, 8.0)  # looks
_HALVINGS = 20  # of that range


def measure_spread(engine: Engine, size: Preprocessing) -> Spread:
    """Play sweeps over `FIT_SWEEPS` lesions; a bar on standard error shows how far it is.

    The same network gives the same spread. It takes about a second of CPU a sweep, and the network's time
    for some thirty pictures.
    """
    seeds = range(FIT_SEED, FIT_SEED + FIT_SWEEPS)
    found = track(
        sweeps(seeds, engine, size),
        "how far the risk varies over a lesion",
        total=len(seeds),
        console=Console(stderr=True),
    )
    spread = fit_spread(list(found))
    low, high = _REACH
    if not 1.01 * low < spread.reach < 0.99 * high:
        logger.warning("no reach gives the interval its %d %%: expect more below, less above", 100 * LEVEL)
    return spread


def fit_spread(found: list[Sweep]) -> Spread:
    """Deviation is what whole sweeps show; with the reach the interval holds the next one's mean as it says.

    The form is the evidence's own: squared error = deviation^2 / (1 + ((looks - 1) / reach)^2). A fit that
    holds its own sweeps as often as it says holds others less often; what is asked of it counts one more
    sweep, that it never holds (conformal risk control: Angelopoulos and others, arXiv:2208.02814).
    """
    kept = [sweep for sweep in found if sweep.judged]
    rng, trials = np.random.default_rng(FIT_SEED), no_trials()
    for sweep in kept:
        for _ in range(_STARTS):
            play(sweep, 1, rng, trials, UNMEASURED)  # which errors are made depends on no spread
    seen = [pair for part in PARTS for pair in zip(trials[part].errors, trials[part].sums, strict=True)]
    variance = float(np.mean([logits(sweep.risks).var() for sweep in kept]))
    spread = Spread(deviation=round(max(math.sqrt(variance), 1e-3), 4), reach=1.0, sweeps=len(kept))
    low, high = _REACH
    level = LEVEL * (len(kept) + 1) / len(kept)
    for _ in range(_HALVINGS):  # the longer the reach, the wider the interval
        reach = math.sqrt(low * high)
        spread = msgspec.structs.replace(spread, reach=round(reach, 3))
        if np.mean([abs(error) <= half_width(sums, spread) for error, sums in seen]) < level:
            low = reach
        else:
            high = reach
    return spread


def spread_files(spread: Spread) -> dict[str, NewFile]:
    """What a bundle keeps of it."""
    return {SPREAD: NewFile(msgspec.json.format(msgspec.json.encode(spread)) + b"\n")}
