"""How long a lesion is followed that is marked at any time: probe held still, and swept slowly to and fro."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.contract.roi import Roi
from edge.exam.drawn import draw_roughly
from edge.exam.pursuit import LATE, THERE, areas, options_of, pursue
from edge.phantom.cine import Cine, make_cine

RATE = 30  # pictures a second
PICTURES = 20 * RATE
MARKS = 4  # a lesion, of each kind
_SLICES = {"still": 24, "sweep": 120}  # a sweep there takes four seconds, and comes back


@dataclass(frozen=True, slots=True)
class Span:
    """Of one mark, in pictures: until it was `lost`, and until the lesion `ended`, `PICTURES` if never.

    `late` is true if a box was shown a third of a second after no lesion was cut any more.
    """

    lost: int
    ended: int
    late: bool


def measure_live(seeds: Iterable[int]) -> list[dict[str, Any]]:
    """The figures of each motion and kind of box; none without seeds."""
    spans: dict[tuple[str, str], list[Span]] = {}
    for seed in seeds:
        for motion, slices in _SLICES.items():
            cine = make_cine(options_of(seed, motion, slices), lambda _: None)
            for kind in ("exact", "rough"):
                rng = np.random.default_rng([seed, 0, 7])  # both are marked at the same times
                spans.setdefault((motion, kind), []).extend(
                    judge_live(cine, rng, rough=kind == "rough") for _ in range(MARKS)
                )
    return [_report(motion, kind, every) for (motion, kind), every in spans.items()]


def judge_live(cine: Cine, rng: np.random.Generator, *, rough: bool) -> Span:
    """Mark the lesion at a random time at which it is cut, and follow it until it is lost."""
    sizes = areas(cine)
    last = len(sizes) - 1
    least = THERE * max(sizes)
    times = [time for time in range(2 * last) if sizes[cine.slice_at(time)] >= least]
    begin = int(rng.choice(times))
    draw = int(rng.integers(1 << 32))  # the next time is the same whatever is drawn
    start = cine.slice_at(begin)
    truth = cine.lesions[start]
    assert truth is not None
    drawn: Roi = draw_roughly(truth, cine.field, np.random.default_rng(draw)) if rough else truth
    order = [cine.slice_at(begin + 1 + passed) for passed in range(PICTURES)]
    ended = next((passed for passed, number in enumerate(order) if sizes[number] < least), PICTURES)
    gone, late = 0, False
    for passed, seen in enumerate(pursue(cine, drawn, start, order)):
        if seen.box is None:
            return Span(passed, ended, late)
        gone = gone + 1 if seen.truth is None else 0
        late = late or gone > LATE
    return Span(PICTURES, ended, late)


def words(row: dict[str, Any]) -> str:
    """One row in a line."""
    return (
        f"live, {row['motion']}, {row['kind']} boxes: lost after {row['lost_s']:.1f} s in the median of "
        f"{row['marks']}; shown for {100 * row['kept']:.1f} % of the time until the lesion ends, "
        f"{row['early']} lost before that, {row['late']} shown a third of a second after there is none"
    )


def _report(motion: str, kind: str, spans: list[Span]) -> dict[str, Any]:
    lost, ended = np.array([span.lost for span in spans]), np.array([span.ended for span in spans])
    return {
        "motion": motion,
        "kind": kind,
        "marks": len(spans),
        "lost_s": round(float(np.median(lost)) / RATE, 2),
        "kept": round(float(np.minimum(lost, ended).sum() / max(1, ended.sum())), 4),
        "early": int((lost < ended).sum()),
        "late": sum(span.late for span in spans),
    }
