"""How often the interval of the running risk holds what it is for, on synthetic sweeps over many lesions.

Examples:
  sonocart coverage bundle
  sonocart coverage bundle --sweeps 120 --seed 9000 --json

Each sweep passes over a whole lesion of another synthetic patient; the network is asked about every picture
that cuts the lesion. What the interval is for is the mean of these risks, over their logits. The sweep is
then played from a random place, in a random direction, at several speeds, and the interval is looked at on
the way.
Exit code 1 if its coverage is more than 3 points off what it says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import open_bundle
from edge.contract.frame import still
from edge.contract.preprocess import Tensor, prepare
from edge.contract.roi import Roi
from edge.contract.spec import PRECISIONS, ModelSpec
from edge.engines.base import Engine
from edge.exam.evidence import LEVEL, Evidence, RiskEstimate, shot_of
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import Cine, CineOptions, make_cine

SLICES = 48
PARTS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the sweep, seen so far, when the interval is looked at."""

LATER = 2.0  # sweeps: there and back; reported, and not part of the verdict
SPEEDS = (1, 2, 4)  # how often each picture is shown; a slow hand shows nearly the same again and again
_TOLERANCE = 0.03


@dataclass(slots=True)
class Trial:
    """At one part of the sweep: was the mean held, how wide was the interval, by sweep."""

    held: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by sonocart export")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--sweeps", type=int, default=60, metavar="N", help="lesions, default 60")
    parser.add_argument("--seed", type=int, default=9000, help="of the first patient, default 9000")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def main(args: argparse.Namespace) -> int:
    """Measure; 0 if the coverage up to a whole sweep is within 3 points of nominal."""
    from rich.console import Console
    from rich.progress import track

    from edge.engines.choose import open_engine

    bundle = open_bundle(args.bundle)
    engine = open_engine(bundle, args.precision, threads=1)
    trials: dict[float, Trial] = {part: Trial() for part in (*PARTS, LATER)}
    rng = np.random.default_rng(args.seed)
    try:
        for seed in track(range(args.seed, args.seed + args.sweeps), "sweeps", console=Console(stderr=True)):
            cine = make_cine(_options(seed), lambda _: None)
            tensors, risks = ask(cine, engine, bundle.spec)
            for speed in SPEEDS:
                try_sweep(tensors, risks, speed, rng, trials)
    finally:
        engine.close()
    figures = report(trials, args.sweeps, len(SPEEDS))
    print(json.dumps(figures) if args.json else as_text(figures))
    return 0 if abs(figures["coverage"] - LEVEL) <= _TOLERANCE else 1


def _options(seed: int) -> CineOptions:
    """Both labels, both screens, linear probes twice as often as sectors, as in the phantom's study."""
    label, layout = ("benign", "malignant")[seed % 2], tuple(LAYOUTS)[seed // 2 % 2]
    geometry = ("linear", "linear", "sector")[seed % 3]
    return CineOptions(seed, label, 640, 480, layout, geometry, "sweep", SLICES)


def ask(cine: Cine, engine: Engine, spec: ModelSpec) -> tuple[list[Tensor], list[float]]:
    """The tensor and the risk of every slice that cuts the lesion."""
    size = spec.preprocessing
    tensors, risks = [], []
    for luma, lesion in zip(cine.slices, cine.lesions, strict=True):
        if lesion is None:
            continue
        picture = still(luma)
        box = Roi(lesion.x - cine.field.x, lesion.y - cine.field.y, lesion.width, lesion.height)
        region = picture.bounds if size.region == "field" else size.crop(box, picture.bounds)
        tensors.append(prepare(picture, region, size.width, size.height))
        risks.append(engine.infer(tensors[-1]).risk)
    return tensors, risks


def try_sweep(
    tensors: list[Tensor],
    risks: list[float],
    speed: int,
    rng: np.random.Generator,
    trials: dict[float, Trial],
) -> None:
    """Play one sweep from a random place to and fro, and look at the interval on the way."""
    count = len(risks)
    if count < 8:
        return  # the path has hardly met the lesion
    truth = _mean(risks)
    shots = [shot_of(tensor, 1.0) for tensor in tensors]
    order = _path(count, rng)
    evidence = Evidence()
    looked_at = {round(part * count * speed): part for part in trials}
    for shown in range(1, round(LATER * count * speed) + 1):
        index = order((shown - 1) // speed)
        evidence.add(risks[index], shown, 0, shots[index])
        if shown in looked_at:
            estimate, trial = evidence.estimate(0), trials[looked_at[shown]]
            assert isinstance(estimate, RiskEstimate)
            trial.held.append(estimate.low <= truth <= estimate.high)
            trial.widths.append(estimate.high - estimate.low)
            trial.looks.append(evidence.looks)


def _path(count: int, rng: np.random.Generator) -> Callable[[int], int]:
    """From a random slice in a random direction, turning at the ends."""
    start, way, period = int(rng.integers(count)), int(rng.choice([-1, 1])), 2 * (count - 1)

    def at(step: int) -> int:
        place = (start + way * step) % period
        return place if place < count else period - place

    return at


def _mean(risks: list[float]) -> float:
    """Over the logits, as the estimate's own."""
    clipped = np.clip(risks, 1e-4, 1 - 1e-4)
    return float(1 / (1 + np.exp(-np.mean(np.log(clipped / (1 - clipped))))))


def report(trials: dict[float, Trial], sweeps: int, speeds: int) -> dict[str, Any]:
    """Coverage pooled up to a whole sweep, its own 95 % interval by sweeps, and by part."""
    held = np.array([trials[part].held for part in PARTS], np.float64).mean(0)
    return {
        "nominal": LEVEL,
        "coverage": round(float(held.mean()), 4),
        "coverage_95": [round(v, 4) for v in _bootstrap(held.reshape(-1, speeds).mean(1))],
        "sweeps": sweeps,
        "judged": len(held) // speeds,
        "parts": {
            f"{part:g}": {
                "coverage": round(float(np.mean(trial.held)), 4),
                "width": round(float(np.mean(trial.widths)), 4),
                "looks": round(float(np.mean(trial.looks)), 2),
            }
            for part, trial in trials.items()
        },
    }


def _bootstrap(by_sweep: NDArray[np.float64]) -> tuple[float, float]:
    """Percentiles over 2000 draws of whole sweeps: looks at one sweep are not independent."""
    rng = np.random.default_rng(0)
    means = rng.choice(by_sweep, (2000, len(by_sweep))).mean(1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def as_text(figures: dict[str, Any]) -> str:
    """The report as lines."""
    low, high = figures["coverage_95"]
    lines = [
        f"{figures['judged']} sweeps: the {100 * LEVEL:.0f} % interval held the sweep's mean in "
        f"{100 * figures['coverage']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})",
        f"{'sweep seen':>11}{'held':>8}{'width':>8}{'looks':>7}",
    ]
    for part, row in figures["parts"].items():
        lines.append(
            f"{100 * float(part):10.0f}%{100 * row['coverage']:7.1f}%{100 * row['width']:7.0f}%"
            f"{row['looks']:7.1f}"
        )
    return "\n".join(lines)
