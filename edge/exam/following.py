"""How well a marked lesion is followed, on synthetic sweeps with their truth, and the depth scale read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.exam.drawn import draw_roughly
from edge.exam.following_live import measure_live, words
from edge.exam.pursuit import LATE, Seen, areas, frame_of, options_of, pursue
from edge.exam.scale import read_scale
from edge.phantom.cine import Cine, make_cine

SLICES = 80  # of a sweep there; it takes under three seconds
ROUGH = 4  # roughly drawn boxes a lesion
BINS = 10  # pictures
_OFF = 0.3  # overlap below which something else is followed


@dataclass(slots=True)
class Followed:
    """What became of all marks.

    Attributes:
        overlaps: of the pictures with a lesion of some size and a box, by tenths since the mark.
        covers: of all these.
        there: pictures with a lesion of some size; kept: of these, followed.
        given: pictures with a followed box; false: of these, with next to no overlap, or no lesion any more.
        lost_late: ways in which a box was given still a third of a second after the lesion's end.
        ended: ways on which the lesion ended.
    """

    overlaps: dict[int, list[float]] = field(default_factory=dict)
    covers: list[float] = field(default_factory=list)
    there: int = 0
    kept: int = 0
    given: int = 0
    false: int = 0
    ended: int = 0
    lost_late: int = 0

    def add(self, way: Iterable[Seen]) -> None:
        """One mark followed to an end of its sweep."""
        gone, late = 0, False
        for age, seen in enumerate(way):
            if seen.there:
                self.there += 1
                if seen.box is not None:
                    self.kept += 1
                    self.overlaps.setdefault(age // BINS, []).append(seen.shared)
                    self.covers.append(seen.cover)
            if seen.box is not None:
                self.given += 1
                self.false += seen.shared < _OFF
            gone = gone + 1 if seen.truth is None else 0
            late = late or (gone > LATE and seen.box is not None)
        self.ended += gone > LATE
        self.lost_late += late

    def report(self) -> dict[str, Any]:
        """The figures."""
        every = [value for values in self.overlaps.values() for value in values] or [0.0]
        return {
            "there": self.there,
            "kept": round(self.kept / max(1, self.there), 4),
            "overlap": round(float(np.mean(every)), 4),
            "overlap_p10": round(float(np.percentile(every, 10)), 4),
            "by_age": {str(BINS * k): round(float(np.mean(v)), 3) for k, v in sorted(self.overlaps.items())},
            "cover": round(float(np.mean(self.covers or [0.0])), 4),
            "cover_p10": round(float(np.percentile(self.covers or [0.0], 10)), 4),
            "false": round(self.false / max(1, self.given), 4),
            "ended": self.ended,
            "lost_late": self.lost_late,
        }


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    exact, rough, scales = Followed(), Followed(), []
    for seed in track(range(args.seed, args.seed + args.sweeps), "sweeps", console=console):
        cine = make_cine(options_of(seed, "sweep", SLICES), lambda _: None)
        scales.append(scale_error(cine))
        judge_sweep(cine, exact, None)
        rng = np.random.default_rng([seed, 0, 6])
        for _ in range(ROUGH):
            judge_sweep(cine, rough, rng)
    seeds = track(range(args.seed, args.seed + args.live), "live", console=console) if args.live else ()
    live = measure_live(seeds)
    read = [error for error in scales if error is not None]
    figures = {
        "sweeps": args.sweeps,
        "exact": exact.report(),
        "rough": rough.report(),
        "live": live,
        "scales": len(read),
        "scale_error": round(max(read, default=0.0), 5),
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    print(f"{args.sweeps} sweeps")
    print("\n".join(line for name in ("exact", "rough") for line in _lines(name, figures[name])))
    for row in live:
        print(words(row))
    print(
        f"scale: read on {figures['scales']} of {args.sweeps} screens, wrong by "
        f"{100 * figures['scale_error']:.2f} % at most"
    )
    return 0


def judge_sweep(cine: Cine, found: Followed, rng: np.random.Generator | None) -> None:
    """Follow from the largest cut to both ends: its true box, or one that is drawn roughly with `rng`."""
    sizes = areas(cine)
    start = int(np.argmax(sizes))
    truth = cine.lesions[start]
    if truth is None:
        return
    drawn = truth if rng is None else draw_roughly(truth, cine.field, rng)
    for way in (range(start + 1, len(sizes)), range(start - 1, -1, -1)):
        found.add(pursue(cine, drawn, start, way))


def scale_error(cine: Cine) -> float | None:
    """Relative error of the scale that is read beside the field; None where it is not read."""
    scale = read_scale(frame_of(cine, 0), cine.field)
    return None if scale is None else abs(scale / cine.px_per_mm - 1)


def _lines(name: str, figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{name} boxes: followed in {100 * figures['kept']:.1f} % of the pictures that cut the lesion; "
        f"overlap with the box moved as it does {figures['overlap']:.2f}, worst tenth "
        f"{figures['overlap_p10']:.2f}; "
        f"lesion covered {100 * figures['cover']:.0f} %, worst tenth {100 * figures['cover_p10']:.0f} %"
    )
    yield "  overlap by pictures since the mark: " + ", ".join(
        f"{age}: {shared}" for age, shared in figures["by_age"].items()
    )
    yield (
        f"  false: {100 * figures['false']:.1f} % of the followed boxes; after the lesion's end a box for "
        f"more than a third of a second in {figures['lost_late']} of {figures['ended']} ends"
    )
