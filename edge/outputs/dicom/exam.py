"""One examination, as it is handed to DICOM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.outputs.dicom.finding import Finding
from edge.outputs.dicom.order import Order, Subject

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Still:
    """A picture.

    Attributes:
        pixels: uint8 (H, W) grey or (H, W, 3) RGB, full range; read, never written.
        lossy: compression it went through before, in DICOM's terms (C.7.6.1.1.5), such as ISO_10918_1 for
            JPEG and ISO_14496_10 for H.264. Empty if none.
    """

    pixels: Pixels
    lossy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clip:
    """Moving pictures.

    Attributes:
        frames: each as `Still.pixels`, all of one shape; gone through once, one frame in memory at a time.
        frame_ms: time from one frame to the next, milliseconds.
        lossy: as in `Still`.
    """

    frames: Iterable[Pixels]
    frame_ms: float
    lossy: tuple[str, ...] = ()


class Uncut(Enum):
    """Why a picture is kept whole instead of being masked outside a field."""

    CLEAN = "whole"  # it shows the ultrasound field and nothing else
    WITH_TEXT = "unmasked"  # whatever text the scanner burnt in is wanted


@dataclass(frozen=True, slots=True)
class Exam:
    """Everything that goes into one study.

    Attributes:
        identity: an `Order` writes the patient's name; a `Subject` writes a study without identity.
        captured_at: when, with its offset from UTC. Not written for a `Subject`.
        field: the scanner's ultrasound field; everything else of every picture is blacked out. Only an
            `Order` may keep pictures `WITH_TEXT`.
        panels: what the kit drew outside the field and is kept in annotated pictures. They must be opaque or
            drawn over masked pictures: text that shines through a panel would be kept with it.
        pixel_mm: side of a pixel, millimetres; None where the depth scale is not known.
        finding: None where the kit gave no estimate; then no report is written.
        still: the source's picture that the finding is about.
        clip: the source's pictures.
        annotated_still: with overlay.
        annotated_clip: with overlay.
        study_uid: of a study that has more than this in it; empty where it follows from the content.
        began: that study, with its offset from UTC; None where it is `captured_at`.
        number: Instance Number of the first object in each series.
        lesion: which of the study's lesions the finding is of, from 1; 0 where none is marked.
    """

    identity: Order | Subject
    captured_at: datetime
    field: Roi | Uncut
    panels: tuple[Roi, ...] = ()
    pixel_mm: float | None = None
    finding: Finding | None = None
    still: Still | None = None
    clip: Clip | None = None
    annotated_still: Still | None = None
    annotated_clip: Clip | None = None
    study_uid: str = ""
    began: datetime | None = None
    number: int = 1
    lesion: int = 1

    def __post_init__(self) -> None:
        if self.field is Uncut.WITH_TEXT and isinstance(self.identity, Subject):
            raise DataError(
                "a study without identity needs the ultrasound field: the scanner burns the patient's name "
                "into the rest of the picture. Give the field, or identify the patient"
            )
        if self.still is None and self.clip is None:
            raise DataError("a study needs a still or a clip of the source's own picture")
        if self.captured_at.tzinfo is None:
            raise DataError("'captured_at' has no offset from UTC")
        if self.pixel_mm is not None and not 0.001 <= self.pixel_mm <= 10.0:
            raise DataError(f"a pixel of {self.pixel_mm} mm is no ultrasound picture's")
        box = None if self.finding is None else self.finding.box
        if box is not None and self.still is None:
            raise DataError("a finding with a lesion box needs the still that the box was drawn in")
        if box is not None and self.still is not None:
            height, width = self.still.pixels.shape[:2]
            if not box.inside(self.field if isinstance(self.field, Roi) else Roi(0, 0, width, height)):
                raise DataError(f"the lesion's {box} leaves the ultrasound field; draw it again")

    def kept(self, annotated: bool) -> tuple[Roi, ...] | None:
        """What stays of a picture; None for all of it."""
        if isinstance(self.field, Uncut):
            return None
        return (self.field, *self.panels) if annotated else (self.field,)
