"""How well a marked lesion is followed, on synthetic sweeps with their truth."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.exam.roi import overlap
from edge.exam.scale import read_scale
from edge.exam.tracker import LesionTracker
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import Cine, CineOptions, make_cine

SLICES = 80  # of a sweep there; it takes under three seconds
BINS = 10  # pictures
_THERE = 0.25  # of the largest cut's area: a smaller cut may be lost
_OFF = 0.3  # overlap below which something else is followed
_LATE = 10  # pictures after the lesion's end until a followed box is false


@dataclass(slots=True)
class Followed:
    """What became of all sweeps.

    Attributes:
        overlaps: intersection over union with the true box, by tenths of a second since the mark.
        there: pictures with a lesion of some size; kept: of these, followed.
        given: pictures with a followed box; false: of these, with next to no overlap, or no lesion any more.
        lost_late: sweeps in which a box was given still a third of a second after the lesion's end.
        ended: sweeps in which the lesion ended.
        scales: relative errors of the scale that was read; unread: screens where it was not.
    """

    overlaps: dict[int, list[float]] = field(default_factory=dict)
    there: int = 0
    kept: int = 0
    given: int = 0
    false: int = 0
    ended: int = 0
    lost_late: int = 0
    scales: list[float] = field(default_factory=list)
    unread: int = 0


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from rich.console import Console
    from rich.progress import track

    found = Followed()
    for seed in track(range(args.seed, args.seed + args.sweeps), "sweeps", console=Console(stderr=True)):
        label, layout = ("benign", "malignant")[seed % 2], tuple(LAYOUTS)[seed // 2 % 2]
        geometry = ("linear", "linear", "sector")[seed % 3]
        options = CineOptions(seed, label, 960, 720, layout, geometry, "sweep", SLICES)
        judge_sweep(make_cine(options, lambda _: None), found)
    figures = report(found, args.sweeps)
    if args.json:
        print(json.dumps(figures))
        return 0
    print(
        f"{args.sweeps} sweeps: followed in {100 * figures['kept']:.1f} % of the pictures that cut it; "
        f"overlap {figures['overlap']:.2f} in the mean, {figures['overlap_p10']:.2f} in the worst tenth"
    )
    ages = ", ".join(f"{age}: {shared}" for age, shared in figures["by_age"].items())
    print(f"overlap by pictures since the mark: {ages}")
    print(
        f"false: {100 * figures['false']:.1f} % of the followed boxes; after the lesion's end a box for more "
        f"than a third of a second in {figures['lost_late']} of {figures['ended']} ends"
    )
    print(
        f"scale: read on {figures['scales']} of {args.sweeps} screens, wrong by "
        f"{100 * figures['scale_error']:.2f} % at most"
    )
    return 0


def judge_sweep(cine: Cine, found: Followed) -> None:
    """Follow from the largest cut to both ends of the sweep."""
    frames = [_frame(cine, number) for number in range(len(cine.slices))]
    scale = read_scale(frames[0], cine.field)
    if scale is None:
        found.unread += 1
    else:
        found.scales.append(abs(scale / cine.px_per_mm - 1))
    areas = [0 if box is None else box.width * box.height for box in cine.lesions]
    start = int(np.argmax(areas))
    mark = cine.lesions[start]
    if mark is None:
        return
    for way in (range(start + 1, len(frames)), range(start - 1, -1, -1)):
        tracker, gone, late = LesionTracker(), 0, False
        tracker.mark(frames[start], mark)
        for age, number in enumerate(way):
            box, truth = tracker.follow(frames[number]), cine.lesions[number]
            shared = 0.0 if box is None or truth is None else overlap(box, truth)
            if truth is not None and areas[number] >= _THERE * areas[start]:
                found.there += 1
                found.kept += box is not None
                if box is not None:
                    found.overlaps.setdefault(age // BINS, []).append(shared)
            if box is not None:
                found.given += 1
                found.false += shared < _OFF
            gone = gone + 1 if truth is None else 0
            late = late or (gone > _LATE and box is not None)
        found.ended += gone > _LATE
        found.lost_late += late


def report(found: Followed, sweeps: int) -> dict[str, Any]:
    """The figures."""
    every = [value for values in found.overlaps.values() for value in values] or [0.0]
    return {
        "sweeps": sweeps,
        "kept": round(found.kept / max(1, found.there), 4),
        "overlap": round(float(np.mean(every)), 4),
        "overlap_p10": round(float(np.percentile(every, 10)), 4),
        "by_age": {str(BINS * k): round(float(np.mean(v)), 3) for k, v in sorted(found.overlaps.items())},
        "false": round(found.false / max(1, found.given), 4),
        "ended": found.ended,
        "lost_late": found.lost_late,
        "scales": len(found.scales),
        "scale_error": round(max(found.scales, default=0.0), 5),
    }


def _frame(cine: Cine, number: int) -> Frame:
    luma = cine.screen.copy()
    area = cine.field
    luma[area.y : area.bottom, area.x : area.right] = cine.slices[number]
    return Frame((luma,), PixelFormat.GRAY8, number, 0, True, Matrix.BT601)
