"""One mark followed through the slices of a synthetic sweep, picture by picture beside the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.exam.drawn import carry, covered
from edge.exam.roi import overlap
from edge.exam.tracker import LesionTracker
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import Cine, CineOptions

THERE = 0.25  # of the largest cut's area: a smaller cut may be lost
LATE = 10  # pictures after the lesion's end until a followed box is late


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture after the mark.

    Attributes:
        box: what is shown, None once it is lost.
        truth: the lesion's true box, None where it is not cut; there: it is of some size.
        shared: overlap of `box` with the drawn box as the true one has moved.
        cover: share of the lesion in `box`, over what the moved drawn box would have, 1 at most.
    """

    box: Roi | None
    truth: Roi | None
    there: bool
    shared: float
    cover: float


def pursue(cine: Cine, drawn: Roi, start: int, order: Iterable[int]) -> Iterator[Seen]:
    """Mark `drawn` in slice `start`, where a lesion is cut, and follow it through the slices of `order`."""
    marked, sizes = cine.lesions[start], areas(cine)
    assert marked is not None
    tracker = LesionTracker()
    tracker.mark(frame_of(cine, start), drawn)
    for number in order:
        box, truth = tracker.follow(frame_of(cine, number)), cine.lesions[number]
        there = truth is not None and sizes[number] >= THERE * max(sizes)
        shared = cover = 0.0
        if box is not None and truth is not None:
            meant = carry(drawn, marked, truth)
            shared = overlap(box, meant)
            cover = min(1.0, covered(box, truth) / max(1e-6, covered(meant, truth)))
        yield Seen(box, truth, there, shared, cover)


def areas(cine: Cine) -> list[int]:
    """Of the lesion's box in every slice, square pixels."""
    return [0 if box is None else box.width * box.height for box in cine.lesions]


def options_of(seed: int, motion: str, slices: int) -> CineOptions:
    """Both labels, screens and geometries by turns."""
    label, layout = ("benign", "malignant")[seed % 2], tuple(LAYOUTS)[seed // 2 % 2]
    geometry = ("linear", "linear", "sector")[seed % 3]
    return CineOptions(seed, label, 960, 720, layout, geometry, motion, slices)


def frame_of(cine: Cine, number: int) -> Frame:
    """Slice `number` on its scanner's screen."""
    luma = cine.screen.copy()
    area = cine.field
    luma[area.y : area.bottom, area.x : area.right] = cine.slices[number]
    return Frame((luma,), PixelFormat.GRAY8, number, 0, True, Matrix.BT601)
