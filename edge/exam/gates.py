"""Is this live B-mode tissue and nothing else? Looked at ten times a second, on the ultrasound field only.

Each gate has one cheap figure and one threshold. The thresholds lie between what synthetic sweeps, still
probes and a real clip give and what the same clips give with each fault; `sonocart gates` prints both sides.
"""

from __future__ import annotations

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
_STAYS = 2  # looks after the first: what stays so long while the picture moves is drawn
_STEADY = 4  # grey levels; what is drawn does not change, but for the encoder's noise
_WHOLLY = 0.9  # of a column: skin or the field's border may be lit
_DARK, _GLARING, _BLURRED = 50.0, 150.0, 0.31  # see `bright`, `middle`, `sharp`
_WHITE, _RAISED = 185, 80  # grey levels of drawn marks, and how far they stand out from what is around


class Gate(Enum):
    """Why the picture is not analysed; the value is what is shown."""

    BLACK = "black screen"
    FLAT = "menu or test picture, not ultrasound"
    AIR = "no contact: the probe sees air"
    DUAL = "two pictures side by side"
    COLOUR = "colour over the tissue: Doppler or elastography"
    MARKS = "caliper or text over the tissue"
    MENU = "menu over the tissue"
    DARK = "poor quality: far too dark"
    BRIGHT = "poor quality: far too bright"
    BLURRED = "poor quality: blurred"


NOT_ULTRASOUND = (Gate.BLACK, Gate.FLAT)


@dataclass(frozen=True, slots=True)
class Features:
    """The figures that the gates compare, all shares from 0 to 1 but `marks`.

    Attributes:
        lit: of the field's samples, brighter than black.
        deep: the same below the upper third.
        flat: of neighbours in a row that are both lit, exactly equal.
        colour: of the chroma samples, not grey.
        gap: of the field's width, the longest run of wholly black columns away from its sides.
        marks: thin, bright pixels that stay where they are for three looks, per row of the field.
        silent: of the columns, black from a quarter of the depth on: no contact there.
        plain: of the samples, in long runs of one grey: a menu's ground.
        bright, middle: grey level that nine in ten samples stay below, and half of the lit ones.
        sharp: difference of neighbours over that of samples four further, the field being 256 samples wide.
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


class Gates:
    """Holds the last verdict between the looks."""

    def __init__(self) -> None:
        """Open."""
        self.closed: Gate | None = None
        self.quality = 1.0  # of the picture, 0 to 1
        self._looked_ns: int | None = None
        self._good = 0
        self._ages = np.zeros((1, 1), np.uint8)  # looks that each thin, bright pixel has stayed for
        self._before: Plane | None = None

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
        self._age(frame, field, fresh)
        features = measure(frame, field, self._ages > _STAYS)
        self.quality = quality(features)
        found = judge(features)
        self._good = 0 if found is not None else self._good + 1
        if found is not None or self._good >= _CLEAR_LOOKS:
            self.closed = found
        return self.closed

    def _age(self, frame: Frame, field: Roi, fresh: bool) -> None:
        """Count for how many looks each thin, bright pixel has stayed at its grey level: fascia flickers."""
        thin, luma = thin_bright(frame, field).view(np.uint8), frame.luma(inner_of(field))
        before = self._before
        if before is None or before.shape != thin.shape or not fresh:
            self._ages = thin
        else:  # thin * (1 + steady * min(ages, _STAYS)), in a quarter of NumPy's time
            steady = cv2.compare(cv2.absdiff(luma, before), float(_STEADY), cv2.CMP_LE)  # type: ignore[call-overload]
            kept = cv2.bitwise_and(cv2.min(self._ages, float(_STAYS)), steady)  # type: ignore[call-overload]
            self._ages = np.asarray(cv2.multiply(cv2.add(kept, 1.0), thin), np.uint8)  # type: ignore[call-overload]
        self._before = luma.copy()

    def hurry(self) -> None:
        """Another scene: the next call looks, whenever the last one did."""
        self._looked_ns = None


def judge(features: Features) -> Gate | None:
    """The first gate that these figures close."""
    if features.lit < 0.02:
        return Gate.BLACK
    if features.flat > 0.6:
        return Gate.FLAT
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
    if features.plain > 0.05:
        return Gate.MENU
    if features.marks > 0.04:
        return Gate.MARKS
    return Gate.DARK if features.bright < _DARK else None


def quality(features: Features) -> float:
    """0 to 1: how far exposure and sharpness are from where their gates close; 0.1 at least."""
    exposed = min((features.bright - _DARK) / 40, (_GLARING - features.middle) / 40)
    return max(0.1, min(1.0, exposed, (features.sharp - _BLURRED) / 0.08))


def measure(frame: Frame, field: Roi, staying: NDArray[np.bool_]) -> Features:
    """The figures of one frame; `staying` are the thin, bright pixels that have stayed for some looks."""
    step = max(1, field.height // _ROWS)
    rows = np.ascontiguousarray(frame.luma(field)[::step])
    black = 0 if frame.full_range else 16
    dark = black + _LIT
    lit = rows > dark
    pairs = lit[:, 1:] & lit[:, :-1]
    equal = pairs & (rows[:, 1:] == rows[:, :-1])
    narrow = (
        cv2.resize(rows, (min(_SAMPLES, field.width), len(rows)), interpolation=cv2.INTER_AREA).astype(
            np.int16
        )
        - black
    )
    tissue = narrow > _LIT
    return Features(
        lit=float(lit.mean()),
        deep=float(lit[len(lit) // 3 :].mean()),
        flat=float(equal.sum() / max(1, pairs.sum())),
        colour=_coloured(frame, field),
        gap=_longest_run((rows <= dark).mean(0) > _WHOLLY) / field.width,
        marks=float(staying.sum() / field.height),
        silent=float((np.percentile(narrow[len(narrow) // 4 :], 90, axis=0) < 2 * _LIT).mean()),
        plain=_plain(narrow),
        bright=float(np.percentile(narrow, 90)),
        middle=float(np.median(narrow[tissue])) if tissue.any() else 0.0,
        sharp=_sharp(narrow, tissue),
    )


def _plain(narrow: NDArray[np.int16]) -> float:
    """Share of the samples that lie in runs of `_RUN` of one grey level, lighter than a screen."""
    same = (np.abs(np.diff(narrow, axis=1)) <= 1) & (narrow[:, 1:] > _GROUND)
    return float(cv2.erode(same.view(np.uint8), np.ones((1, _RUN), np.uint8)).mean())


def _sharp(narrow: NDArray[np.int16], tissue: NDArray[np.bool_]) -> float:
    """Mean difference of neighbours over that of samples four further; 1 where nothing is lit."""
    both = tissue[:, 4:] & tissue[:, :-4]
    far = np.abs(narrow[:, 4:] - narrow[:, :-4])[both].sum()
    return float(np.abs(narrow[:, 1:-3] - narrow[:, :-4])[both].sum() / far) if far else 1.0


def inner_of(field: Roi) -> Roi:
    """The field without a tenth on each side, where scanners put depth marks."""
    across, down = field.width // 10, field.height // 10
    return Roi(field.x + across, field.y + down, field.width - 2 * across, field.height - 2 * down)


def thin_bright(frame: Frame, field: Roi) -> NDArray[np.bool_]:
    """Pixels nearly white and thinner than a 120th of the picture's height, of `inner_of` the field."""
    luma = frame.luma(inner_of(field))
    thin = np.asarray(luma > _WHITE)
    x, y, width, height = cv2.boundingRect(thin.view(np.uint8))
    if width:  # the costly step only where something is white at all
        side = max(3, frame.height // 120 | 1)
        part = np.s_[max(0, y - side) : y + height + side, max(0, x - side) : x + width + side]
        thin[part] &= (
            cv2.morphologyEx(luma[part], cv2.MORPH_TOPHAT, np.ones((side, side), np.uint8)) > _RAISED
        )
    return thin


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
    return float(max((np.abs(plane.astype(np.int16) - 128) > _NEUTRAL).mean() for plane in planes))


def _longest_run(dark: NDArray[np.bool_]) -> int:
    """Length of the longest run of True in the middle three fifths."""
    part = dark[len(dark) // 5 : len(dark) - len(dark) // 5].astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], part, [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
