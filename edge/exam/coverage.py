"""How often the interval of the running risk holds what it is for, on synthetic sweeps over many lesions."""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import amend_bundle, open_bundle
from edge.contract.signature_loss import telling_of_signature
from edge.exam.evidence import LEVEL
from edge.exam.fitting import measure_spread, spread_files
from edge.exam.spread import SPREAD, read_spread
from edge.exam.sweeps import PARTS, Trial, no_trials, play, sweeps

SPEEDS = (1, 2, 4)  # how often each picture is shown
_TOLERANCE = 0.03


def main(args: argparse.Namespace) -> int:
    """Measure; 0 if the coverage up to a whole sweep is within 3 points of nominal."""
    from rich.console import Console
    from rich.progress import track

    from edge.engines.choose import open_engine

    bundle = open_bundle(args.bundle)
    spread, size = read_spread(bundle), bundle.spec.preprocessing
    trials, rng = no_trials(), np.random.default_rng(args.seed)
    seeds = range(args.seed, args.seed + args.sweeps)
    engine = open_engine(bundle, args.precision, threads=1)
    try:
        if args.fit:
            spread = measure_spread(engine, size)
            with telling_of_signature(args.bundle):
                amend_bundle(bundle, spread_files(spread))
            words = f"{spread.words}; kept in {SPREAD}\n\nNext: sonocart coverage {args.bundle}"
            print(msgspec.json.encode(spread).decode() if args.json else words)
            return 0
        found = sweeps(seeds, engine, size)
        for sweep in track(found, "sweeps", total=len(seeds), console=Console(stderr=True)):
            for speed in SPEEDS:
                play(sweep, speed, rng, trials, spread)
    finally:
        engine.close()
    figures = report(trials, args.sweeps, len(SPEEDS))
    print(json.dumps(figures) if args.json else as_text(figures))
    return 0 if abs(figures["coverage"] - LEVEL) <= _TOLERANCE else 1


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
                "looks": round(float(np.mean([sums.seen for sums in trial.sums])), 2),
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
