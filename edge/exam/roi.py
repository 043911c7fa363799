"""Finds the ultrasound field: the part of a scanner's screen that shows tissue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.profiles import Profiles
from edge.exam.tissue import Tissue, find_tissue

FRAMES = 6
"""Pictures looked at before the field is decided on."""

TRIES = 10
"""Finds that have failed in a row until it is said that there is no field to be found."""

_REST = 24  # pictures between two tries after that, where a field is known: a menu may stay for minutes

_WIDTH = 320  # pixels; speckle is still there, letters have become thin
_SAME_FIELD = 0.9  # overlap above which another find is the same field
_PART = 0.5  # of a find inside the known field, above which it is a part of that
_CONFIRMS = 0.8  # overlap above which a still picture shows the field: a list of patients has texture too
_CONTRADICTS = 0.6  # overlap with what moves, below which a remembered field is of something else


class FieldFinder:
    """Looks at the first pictures, decides, and holds the field until it is told to look again."""

    def __init__(self, profiles: Profiles | None = None, named: Roi | None = None) -> None:
        """Nothing is known yet but the `profiles` of screens that were seen before.

        A field that the source has `named` goes before what is found, and behind what the operator draws.
        """
        self.field: Roi | None = None
        self.lit: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)  # small picture of what the screen shows
        self.tries = 0  # finds that have failed in a row
        self.confirmed = False  # the field has been seen to be one since this scene began
        self._profiles = Profiles(None) if profiles is None else profiles
        self._named = named
        self._recall = False  # whether the screen is known has to be asked again
        self._told = False  # the field is from a profile, and is not to be found better
        self.drawn = False  # the field is the operator's or the source's, and none is found on this screen
        self._size = (0, 0)
        self._rest = 0  # pictures not to be looked at
        self._seen: list[NDArray[np.uint8]] = []

    def look(self, frame: Frame, *, tissue: bool = True) -> Roi | None:
        """Take one picture into account; None until `FRAMES` have been seen or where no field is found.

        The field of a screen that was seen before is known from the first picture.

        Args:
            frame: the newest.
            tissue: the known field shows live tissue, as far as the gates can tell. Where it does not, a part
                of it is no field, however lit it is: air under the probe leaves a bright band.
        """
        size = (frame.width, frame.height)
        if size != self._size:
            self._size, self.field = size, None
            self.again()
            self._remember(frame)
        elif self._recall and self.drawn:  # another scene: is it still the screen that it was drawn on?
            self._remember(frame)
        if self.confirmed:
            return self.field
        if self._rest:
            self._rest -= 1
            return self.field
        self._seen.append(shrink(frame))
        if len(self._seen) == FRAMES:
            self.lit = np.max(self._seen, axis=0)
            found = find_tissue(np.stack(self._seen), frame.bounds)
            self._seen = []
            self.tries = self.tries + 1 if found is None else 0
            if found is not None and self._better(found, tissue):
                self._take(frame, found.box)
            self.confirmed = self.drawn or (found is not None and self._confirms(found))
            if not self.confirmed and self.field is not None and self.tries >= TRIES:
                self._rest = _REST
        return self.field

    def again(self) -> None:
        """Another scene: depth or layout may have changed. The old field holds until another is found."""
        self._seen, self.confirmed, self._told, self._recall = [], False, False, True
        self.tries = self._rest = 0

    def forget(self) -> None:
        """The field was, or may have been, found in noise: begin as with the first picture of a screen."""
        self._size = (0, 0)

    def draw(self, frame: Frame, field: Roi) -> None:
        """The operator has drawn the field of this screen: it is known from now on."""
        self._profiles.keep(frame, field, drawn=True)
        self._size = (frame.width, frame.height)
        self.again()
        self.field, self._told, self.drawn, self._recall = field, True, True, False

    def undraw(self, frame: Frame) -> None:
        """The operator wants the field to be found again."""
        self._profiles.drop(frame)
        self.forget()

    def _remember(self, frame: Frame) -> None:
        """Take what is known of this screen, if anything is."""
        known = self._profiles.find(frame)
        if self._named is not None and self._named.inside(frame.bounds) and not (known and known.drawn):
            self.field, self._told, self.drawn, self._recall = self._named, True, True, False
            return
        self.field = self.field if known is None else known.roi
        self._told, self.drawn, self._recall = known is not None, known is not None and known.drawn, False

    def _confirms(self, found: Tissue) -> bool:
        """True if what was found is the field, or moves inside it: a list of patients there does not."""
        assert self.field is not None  # what is found where none is known is taken
        part = _shared(found.box, self.field) > _PART * found.box.width * found.box.height
        return overlap(found.box, self.field) > _CONFIRMS or (found.moving and part)

    def _better(self, found: Tissue, tissue: bool) -> bool:
        """True if what was found is to be the field from now on."""
        if self.field is None:
            return True
        if self.drawn:
            return False
        if not tissue and _shared(found.box, self.field) > _PART * found.box.width * found.box.height:
            return False
        alike = overlap(found.box, self.field)
        if self._told:
            return found.moving and alike < _CONTRADICTS
        return alike < _SAME_FIELD and (found.moving or alike > _CONFIRMS)

    def _take(self, frame: Frame, field: Roi) -> None:
        """A first find, and one that contradicts what was remembered, are kept for the next start."""
        if self.field is None or self._told:
            self._profiles.keep(frame, field)
        self.field, self._told = field, False


def overlap(one: Roi, other: Roi) -> float:
    """Intersection over union."""
    both = _shared(one, other)
    return both / (one.width * one.height + other.width * other.height - both)


def _shared(one: Roi, other: Roi) -> int:
    """The intersection's area."""
    wide = max(0, min(one.right, other.right) - max(one.x, other.x))
    return wide * max(0, min(one.bottom, other.bottom) - max(one.y, other.y))


def shrink(frame: Frame) -> NDArray[np.uint8]:
    """The luma, full range as it comes, uint8 about 320 pixels wide."""
    height = max(1, round(frame.height * _WIDTH / frame.width))
    small = cv2.resize(frame.luma(frame.bounds), (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
