"""A moving picture: the probe sweeps over the lesion, or is held still, inside a scanner's screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.phantom.bmode import Luma, View, take_picture
from edge.phantom.chrome import LAYOUTS, draw_screen, field_of
from edge.phantom.counter import draw_counter
from edge.phantom.echo import Speckle
from edge.phantom.patient import Patient, draw_patient
from edge.phantom.scanner import draw_scanner

SLICES = 80  # under three seconds of sweep at 30 frames a second; played back and forth
MOTIONS = ("sweep", "still")


@dataclass(frozen=True, slots=True)
class CineOptions:
    """What to show: patient, frame size in pixels, screen, probe, motion, distinct slices (2 or more).

    `mode` is one of `edge.phantom.modes.MODES`, or "plain"; the live source draws it.
    """

    seed: int
    label: str
    width: int
    height: int
    layout: str
    geometry: str
    motion: str
    slices: int
    mode: str = "plain"


@dataclass(frozen=True, slots=True)
class Cine:
    """Distinct slices of one sweep with their truth; played back and forth it never jumps.

    `screen` (height, width) uint8 is the scanner's screen without a picture, `slices` are the full-range
    uint8 pictures for the rectangle `field`, `lesions` their boxes in the frame's pixels, None where none is
    cut.
    """

    patient: Patient
    screen: Luma
    field: Roi
    px_per_mm: float
    slices: tuple[Luma, ...]
    lesions: tuple[Roi | None, ...]

    def slice_at(self, sequence: int) -> int:
        """Which slice frame `sequence` shows: to the last one and back again."""
        last = len(self.slices) - 1
        return last - abs(last - sequence % (2 * last))

    def frame(self, sequence: int, *, counter: bool = False) -> Luma:
        """Full frame `sequence`, (height, width) uint8, full range; a new array, the caller's own."""
        luma = self.screen.copy()
        field = self.field
        luma[field.y : field.bottom, field.x : field.right] = self.slices[self.slice_at(sequence)]
        if counter:
            draw_counter(luma, sequence)
        return luma


def make_cine(options: CineOptions, progress: Callable[[int], None]) -> Cine:
    """Scan one patient along a path of the probe; `progress` gets the number of slices done."""
    patient = draw_patient(options.seed, 0, options.label)
    scanner = draw_scanner(np.random.default_rng([options.seed, 0, 2]), patient.lesion, options.geometry)
    layout = LAYOUTS[options.layout]
    field, scale = field_of(layout, scanner, options.width, options.height)
    scanner = replace(scanner, px_per_mm=scale)
    speckle = Speckle([options.seed, 0, 3], scanner)
    noise = np.random.default_rng([options.seed, 0, 4])
    pictures, lesions = [], []
    for done, view in enumerate(_path(patient, options), start=1):
        picture = take_picture(patient, scanner, view, speckle, noise)
        box = picture.lesion
        pictures.append(picture.luma)
        lesions.append(box and Roi(box.x + field.x, box.y + field.y, box.width, box.height))
        progress(done)
    screen = draw_screen(layout, scanner, options.width, options.height, options.seed)
    return Cine(patient, screen, field, scale, tuple(pictures), tuple(lesions))


def _path(patient: Patient, options: CineOptions) -> list[View]:
    """Views along the path: over the whole lesion and a little beyond, with a hand's slow sway."""
    rng = np.random.default_rng([options.seed, 0, 5])
    turn = rng.normal(0.0, 0.15)
    time = np.linspace(0, 1, options.slices)
    sway: NDArray[np.float64] = sum(
        rng.normal(0.0, 1 / rate) * np.sin(2 * np.pi * (rate * time + rng.random())) for rate in (1, 2, 3, 5)
    ) + np.zeros_like(time)
    if options.motion == "still":
        return [View(float(turn), 0.0, 0.0)] * options.slices
    reach = 1.25 * patient.lesion.radii[1]
    offsets = -reach * np.cos(np.pi * time)
    return [
        View(float(turn), float(offset), float(aside)) for offset, aside in zip(offsets, sway, strict=True)
    ]
