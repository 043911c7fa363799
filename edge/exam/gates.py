"""Is this live B-mode tissue and nothing else? Looked at ten times a second, on the ultrasound field only.

Each gate has one cheap figure and one threshold. The thresholds lie between what synthetic sweeps, still
probes and a real clip give and what the same clips give with each fault; `sonocart gates` prints both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, PixelFormat, Plane
from edge.contract.roi import Roi

LOOK_EVERY_NS = 100_000_000
_CLEAR_LOOKS = 3  # good looks before a gate opens again, so that it does not flutter
_ROWS = 32
_LIT = 8  # grey levels above black
_NEUTRAL = 14  # chroma levels beside grey
_SAMPLES = 256  # across the field, so that neither the screen's pixels nor the zoom count
_RUN = 12  # samples
_GROUND = 28  # grey levels above black: screens beside a sector are darker, menus are not
_STEADY = 4  # grey levels; what is drawn does not change, but for the encoder's noise
_WHOLLY = 0.9  # of a column: skin or the field's border may be lit
_DARK, _GLARING, _BLURRED = 50.0, 150.0, 0.31  # see `bright`, `middle`, `sharp`
_NOISY, _PATCHY = 0.53, 0.30  # see `sharp` and `patchy`; smoothed snow is at 0.57 and 0.21
_PATCH = (16, 4)  # samples across, and rows
_WHITE, _RAISED = 185, 80  # grey levels of drawn marks, and how far they stand out from what is around
_PLAIN = 0.05  # see `plain`
_MARKED = 0.04  # marks per row of the field
_FINE = 1000  # rows of a picture in which every second one shows each mark


class Gate(Enum):
    """Why the picture is not analysed; the value is what is shown."""

    BLACK = "black screen"
    FLAT = "menu or test picture, not ultrasound"
    NOISE = "noise, not ultrasound"
    AIR = "no contact: the probe sees air"
    DUAL = "two pictures side by side"
    COLOUR = "colour over the tissue: Doppler or elastography"
    MARKS = "caliper or text over the tissue"
    MENU = "menu over the tissue"
    DARK = "poor quality: far too dark"
    BRIGHT = "poor quality: far too bright"
    BLURRED = "poor quality: blurred"


NOT_ULTRASOUND = (Gate.BLACK, Gate.FLAT, Gate.NOISE)
NO_TISSUE = (*NOT_ULTRASOUND, Gate.MENU, Gate.AIR, Gate.DARK)
"""Where anything else than tissue may stand: a list of patients on a dark ground looks like air."""


@dataclass(frozen=True, slots=True)
class Features:
    """The figures that the gates compare, all shares from 0 to 1 but `marks`.

    Attributes:
        lit: of the field's samples, brighter than black.
        deep: the same below the upper third.
        flat: of neighbours in a row that are both lit, exactly equal.
        colour: of the chroma samples, not grey.
        gap: of the field's width, the longest run of wholly black columns away from its sides.
        marks: thin, bright pixels that stay where they are for three looks, per row of the field; all bright
            ones that stay where these are too few to close the gate.
        silent: of the columns, black from a quarter of the depth on: no contact there.
        plain: of the samples, in long runs of one grey: a menu's ground.
        bright, middle: grey level that nine in ten samples stay below, and half of the lit ones.
        sharp: difference of neighbours over that of samples four further, the field being 256 samples wide;
            1 for white noise, less for speckle, which is some samples wide.
        patchy: standard deviation of patches of 16 x 4 samples over that of the samples: tissue differs from
            place to place, noise does not.
    """

    lit: float
    deep: float
    flat: float
    colour: float
    gap: float
    marks: float
    silent: float
    plain: float
    bright: float
    middle: float
    sharp: float
    patchy: float


class Gates:
    """Holds the last verdict between the looks."""

    def __init__(self) -> None:
        """Open."""
        self.closed: Gate | None = None
        self.menu = False  # one lies over the tissue, whatever else has closed a gate before it
        self.quality = 1.0  # of the picture, 0 to 1
        self._looked_ns: int | None = None
        self._good = 0
        self._staying = Staying()

    def look(self, frame: Frame, field: Roi, now_ns: int, fresh: bool) -> Gate | None:
        """The gate that is closed as of this frame, or None. Most calls only repeat the last verdict.

        Args:
            frame: before anything is drawn into it.
            field: the ultrasound field.
            now_ns: on the clock that all calls use.
            fresh: the frame differs from the one before it; in a frozen picture everything stays where it is.
        """
        if self._looked_ns is not None and 0 <= now_ns - self._looked_ns < LOOK_EVERY_NS:
            return self.closed
        self._looked_ns = now_ns
        features = measure(frame, field, self._staying.count(frame, field, fresh))
        self.quality = quality(features)
        self.menu = features.plain > _PLAIN
        found = judge(features)
        self._good = 0 if found is not None else self._good + 1
        if found is not None or self._good >= _CLEAR_LOOKS:
            self.closed = found
        return self.closed

    def hurry(self) -> None:
        """Another scene, or a part of one: the next call looks, whenever the last one did."""
        self._looked_ns = None

    def forget(self) -> None:
        """No field is known: what was said of another one says nothing."""
        self.closed, self.menu, self.quality, self._looked_ns = None, False, 1.0, None


class Staying:
    """Counts the bright pixels that stay where they are while the picture moves: those are drawn."""

    def __init__(self) -> None:
        """Nothing was seen yet. These pictures are used again, so that a look allocates little."""
        self._luma, self._before, self._calm, self._last = (np.zeros((1, 1), np.uint8) for _ in range(4))

    def count(self, frame: Frame, field: Roi, fresh: bool) -> int:
        """How many thin, bright pixels have kept their grey level for three looks: fascia flickers.

        Whether they are thin is looked at only where so many have stayed that it matters.

        Args:
            frame: of this look.
            field: the ultrasound field.
            fresh: False in a frozen picture, where everything stays where it is: counting begins anew.
        """
        step = 1 + (frame.height > _FINE)
        newest = frame.luma(inner_of(field))[::step]
        if self._luma.shape != newest.shape:
            self._luma, self._before, self._calm, self._last = (np.zeros_like(newest) for _ in range(4))
            fresh = False
        self._luma, self._before = self._before, self._luma
        luma, before, calm = self._luma, self._before, self._calm
        np.copyto(luma, newest)  # the one time that the frame itself is read: it lies in no cache
        if not fresh:
            self._last.fill(0)
            return 0
        cv2.absdiff(luma, before, dst=calm)
        cv2.threshold(calm, _STEADY, 255, cv2.THRESH_BINARY_INV, dst=calm)
        cv2.threshold(luma, _WHITE, 255, cv2.THRESH_BINARY, dst=before)
        cv2.bitwise_and(calm, before, dst=calm)
        cv2.bitwise_and(calm, self._last, dst=before)  # since the look before the last one
        self._calm, self._last = self._last, calm
        count = step * cv2.countNonZero(before)
        if count > _MARKED * field.height:
            count = step * cv2.countNonZero(_thin(before, luma, frame.height, step))
        return count


def judge(features: Features) -> Gate | None:
    """The first gate that these figures close."""
    if features.lit < 0.02:
        return Gate.BLACK
    if features.flat > 0.6:
        return Gate.FLAT
    if features.sharp > _NOISY and features.patchy < _PATCHY:
        return Gate.NOISE
    if features.deep < 0.02 or features.silent > 0.30:
        return Gate.AIR
    if features.gap > 0.008:
        return Gate.DUAL
    if 0.003 < features.colour < 0.95:  # a tinted picture is coloured everywhere and is B-mode all the same
        return Gate.COLOUR
    if features.middle > _GLARING:
        return Gate.BRIGHT
    if features.sharp < _BLURRED:  # before the menu: a blurred picture is plain in places too
        return Gate.BLURRED
    if features.plain > _PLAIN:
        return Gate.MENU
    if features.marks > _MARKED:
        return Gate.MARKS
    return Gate.DARK if features.bright < _DARK else None


def quality(features: Features) -> float:
    """0 to 1: how far exposure and sharpness are from where their gates close; 0.1 at least."""
    exposed = min((features.bright - _DARK) / 40, (_GLARING - features.middle) / 40)
    return max(0.1, min(1.0, exposed, (features.sharp - _BLURRED) / 0.08))


def measure(frame: Frame, field: Roi, marks: int) -> Features:
    """The figures of one frame; `marks` is how many thin, bright pixels have stayed for some looks."""
    step = max(1, field.height // _ROWS)
    rows = np.ascontiguousarray(frame.luma(field)[::step])
    black = 0 if frame.full_range else 16
    lit = np.asarray(cv2.threshold(rows, black + _LIT, 1, cv2.THRESH_BINARY)[1], np.uint8)
    pairs = lit[:, 1:] & lit[:, :-1]
    equal = pairs & (rows[:, 1:] == rows[:, :-1])
    third = len(lit) // 3
    columns = np.asarray(cv2.reduce(lit, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int32)[0]
    narrow = np.asarray(
        cv2.resize(rows, (min(_SAMPLES, field.width), len(rows)), interpolation=cv2.INTER_AREA), np.uint8
    )
    counts = np.bincount(narrow.ravel(), minlength=256)
    grey = narrow.astype(np.int16) - black
    deeper = np.sort(grey[len(grey) // 4 :], axis=0)
    return Features(
        lit=cv2.countNonZero(lit) / lit.size,
        deep=cv2.countNonZero(lit[third:]) / lit[third:].size,
        flat=cv2.countNonZero(equal) / max(1, cv2.countNonZero(pairs)),
        colour=_coloured(frame, field),
        gap=_longest_run(columns < (1 - _WHOLLY) * len(lit)) / field.width,
        marks=marks / field.height,
        silent=float((_at(deeper, 0.9) < 2 * _LIT).mean()),
        plain=_plain(grey),
        bright=_level(counts, 0.9) - black,
        middle=max(0.0, _level(counts, 0.5, black + _LIT + 1) - black),
        sharp=_sharp(grey, grey > _LIT),
        patchy=_patchy(narrow),
    )


def _at(ordered: NDArray[np.int16], share: float) -> NDArray[np.float64]:
    """The percentile of each column, linear between neighbours."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return np.asarray(ordered[low] + (place - low) * (ordered[high] - ordered[low]), np.float64)


def _level(counts: NDArray[np.intp], share: float, least: int = 0) -> float:
    """The percentile of samples of level `least` and more, from their numbers by level; 0 without any."""
    below = np.cumsum(counts[least:])
    if not below[-1]:
        return 0.0
    place = share * (int(below[-1]) - 1)
    low = int(np.searchsorted(below, int(place), side="right"))
    high = int(np.searchsorted(below, math.ceil(place), side="right"))
    return least + low + (place - int(place)) * (high - low)


def _plain(narrow: NDArray[np.int16]) -> float:
    """Share of the samples that lie in runs of `_RUN` of one grey level, lighter than a screen."""
    same = (np.abs(np.diff(narrow, axis=1)) <= 1) & (narrow[:, 1:] > _GROUND)
    return float(cv2.erode(same.view(np.uint8), np.ones((1, _RUN), np.uint8)).mean())


def _sharp(narrow: NDArray[np.int16], tissue: NDArray[np.bool_]) -> float:
    """Mean difference of neighbours over that of samples four further; 1 where nothing is lit."""
    both = tissue[:, 4:] & tissue[:, :-4]
    far = np.abs(narrow[:, 4:] - narrow[:, :-4])[both].sum()
    return float(np.abs(narrow[:, 1:-3] - narrow[:, :-4])[both].sum() / far) if far else 1.0


def _patchy(narrow: NDArray[np.uint8]) -> float:
    """Contrast of the means of patches over that of the samples; 0 in a picture of one grey level."""
    size = max(1, narrow.shape[1] // _PATCH[0]), max(1, narrow.shape[0] // _PATCH[1])
    patches = cv2.resize(narrow.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return float(patches.std() / max(float(narrow.std()), 1e-6))


def inner_of(field: Roi) -> Roi:
    """The field without a tenth on each side, where scanners put depth marks."""
    across, down = field.width // 10, field.height // 10
    return Roi(field.x + across, field.y + down, field.width - 2 * across, field.height - 2 * down)


def _thin(bright: NDArray[np.uint8], luma: Plane, height: int, step: int) -> NDArray[np.uint8]:
    """Of the `bright` pixels those that stand out from what is around; written over `bright`.

    `bright` and `luma` have every `step`-th row of a picture of `height` rows.
    """
    x, y, wide, high = cv2.boundingRect(bright)
    if wide:  # the costly step only where something is bright at all
        side = max(3, height // 120 | 1)
        part = np.s_[max(0, y - side) : y + high + side, max(0, x - side) : x + wide + side]
        around = np.ones((max(3, side // step | 1), side), np.uint8)
        hat = cv2.morphologyEx(luma[part], cv2.MORPH_TOPHAT, around)
        bright[part] &= (hat > _RAISED).view(np.uint8) * 255
    return bright


def _coloured(frame: Frame, field: Roi) -> float:
    """Share of the field's chroma that is not grey, on every fourth sample of each row and column."""
    planes: tuple[Plane, ...]
    if frame.format is PixelFormat.GRAY8:
        return 0.0
    if frame.format in (PixelFormat.BGR24, PixelFormat.RGB24):
        part = frame.planes[0][field.y : field.bottom : 8, field.x : field.right : 8].astype(np.int16)
        return float((np.ptp(part, axis=2) > 2 * _NEUTRAL).mean())
    if frame.format is PixelFormat.YUYV:
        chroma = frame.planes[0][field.y : field.bottom : 8, field.x & ~1 : field.right, 1]
        planes = (chroma[:, 0::8], chroma[:, 1::8])
    else:
        area = np.s_[field.y // 2 : field.bottom // 2 : 4, field.x // 2 : field.right // 2 : 4]
        planes = tuple(plane[area] for plane in frame.planes[1:])
    return max(_beside_grey(plane) for plane in planes)


def _beside_grey(chroma: Plane) -> float:
    """Share of the samples that are further than `_NEUTRAL` from 128."""
    near = cv2.inRange(chroma.reshape(len(chroma), -1), 128 - _NEUTRAL, 128 + _NEUTRAL)
    return 1.0 - cv2.countNonZero(near) / chroma.size


def _longest_run(dark: NDArray[np.bool_]) -> int:
    """Length of the longest run of True in the middle three fifths."""
    part = dark[len(dark) // 5 : len(dark) - len(dark) // 5].astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], part, [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
