"""Wraps any source with a script of faults: `faults:2+1=freeze,5+2=doppler;clip.mp4`.

Each entry is START+LENGTH=FAULT, in seconds of the wrapped source's own time. The faults are those that a
scanner, a cable or an operator makes; what they draw lies in the middle of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge.blit import Colour, encoding_of, fill, make_colour, make_sprite, paste
from edge.contract.frame import Frame, PixelFormat, Plane
from edge.contract.roi import Roi
from edge.errors import UsageError, did_you_mean
from edge.sources.base import Condition, FrameSource, Outage, SourceInfo

SCHEME = "faults:"


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the script: what happens, from when and for how long, in nanoseconds."""

    start_ns: int
    length_ns: int
    name: str


def split_script(text: str) -> tuple[tuple[Fault, ...], str]:
    """The script and the wrapped source in `faults:SCRIPT;SOURCE`.

    Raises:
        UsageError: an entry that makes no sense, or a fault that is not known.
    """
    script, _, source = text.removeprefix(SCHEME).partition(";")
    if not source:
        raise UsageError(
            f"'{text}' has no source after its script; expected {SCHEME}START+LENGTH=FAULT,...;SOURCE, "
            f"for instance {SCHEME}2+1=freeze;phantom:"
        )
    return tuple(_parse(entry) for entry in script.split(",")), source


def _parse(entry: str) -> Fault:
    when, equals, name = entry.partition("=")
    start, _, length = when.partition("+")
    try:
        times = int(float(start) * 1e9), int(float(length) * 1e9)
    except (ValueError, OverflowError):
        times = -1, -1
    if not equals or min(times) < 0:
        raise UsageError(f"'{entry}' is no fault; expected START+LENGTH=FAULT in seconds, as in 2+1=freeze")
    if name not in FAULTS:
        raise UsageError(
            f"no fault is called '{name}', expected one of {', '.join(FAULTS)}{did_you_mean(name, FAULTS)}"
        )
    return Fault(*times, name)


def random_script(seed: int, seconds: float) -> tuple[Fault, ...]:
    """Faults of every kind one after the other, half a second to four long, some seconds apart."""
    rng = np.random.default_rng(seed)
    script, at = [], 3.0
    while at < seconds:
        length = float(rng.uniform(0.5, 4.0))
        script.append(Fault(int(at * 1e9), int(length * 1e9), str(rng.choice(FAULTS))))
        at += length + float(rng.uniform(1.0, 6.0))
    return tuple(script)


class FaultySource:
    """The wrapped source, with its faults."""

    def __init__(self, source: FrameSource, script: tuple[Fault, ...]):
        """Take over `source`; `close` closes it too."""
        self._source = source
        self._script = script
        self._first_ns: int | None = None
        self._frozen: Frame | None = None
        self._torn_off: Frame | None = None
        self._outages: set[str] = set()

    @property
    def info(self) -> SourceInfo:
        """Of the wrapped source."""
        return self._source.info

    def read(self) -> Frame:
        """The next frame, after what the script does to it. A stall and an outage swallow frames."""
        while True:
            frame = self._source.read()
            self._first_ns = frame.captured_ns if self._first_ns is None else self._first_ns
            active = self._active(frame.captured_ns - self._first_ns)
            before, self._outages = self._outages, active & OUTAGES.keys()
            for name in sorted(self._outages - before):
                raise Outage(OUTAGES[name], "as the script says")
            if "stall" not in active and not self._outages:
                return self._apply(frame, active)

    def close(self) -> None:
        """Close the wrapped source."""
        self._source.close()

    def _active(self, at_ns: int) -> set[str]:
        return {f.name for f in self._script if f.start_ns <= at_ns < f.start_ns + f.length_ns}

    def _apply(self, frame: Frame, active: set[str]) -> Frame:
        if "freeze" in active:
            if self._frozen is None:
                self._frozen = replace(frame, planes=tuple(plane.copy() for plane in frame.planes))
            for plane, old in zip(frame.planes, self._frozen.planes, strict=True):
                plane[:] = old
        else:
            self._frozen = None
        self._torn_off = self._tear(frame) if "torn" in active else None
        for name in sorted(active & DRAWN.keys()):
            DRAWN[name](frame)
        return frame

    def _tear(self, frame: Frame) -> Frame | None:
        """Every second picture's lower part is still the one before, from another row each time."""
        if self._torn_off is None:
            return replace(frame, planes=tuple(plane.copy() for plane in frame.planes))
        share = 0.4 + 0.05 * (frame.sequence // 2 % 5)
        for plane, old in zip(frame.planes, self._torn_off.planes, strict=True):
            row = round(share * len(plane))
            plane[row:] = old[row:]
        return None


def _black(frame: Frame) -> None:
    fill(frame, _part(frame, 0.0, 0.0, 1.0, 1.0), make_colour((0, 0, 0), encoding_of(frame)))


def _blue(frame: Frame) -> None:
    fill(frame, _part(frame, 0.0, 0.0, 1.0, 1.0), make_colour((0, 0, 190), encoding_of(frame)))


def _menu(frame: Frame) -> None:
    """A grey box with lines of text over the middle of the picture."""
    box = _part(frame, 0.25, 0.15, 0.75, 0.85)
    panel = np.full((box.height, box.width, 3), 70, np.uint8)
    for row in range(9):
        at = int(0.06 * box.width), int((0.12 + 0.1 * row) * box.height)
        _write(panel, f"Setting {row + 1}        {10 * row}", at, box.height / 700, (230, 230, 230))
    paste(frame, make_sprite(panel, encoding_of(frame)), box.x, box.y)


def _doppler(frame: Frame) -> None:
    """Vessels in red and blue over the tissue."""
    colours = [make_colour(colour, encoding_of(frame)) for colour in ((190, 30, 20), (30, 60, 200))]
    for index in range(6):
        x, y = 0.42 + 0.025 * index, 0.4 + 0.02 * index
        fill(frame, _part(frame, x, y, x + 0.02, y + 0.1), colours[index % 2])


def _caliper(frame: Frame) -> None:
    """Two white crosses and the dotted line between them, as a sonographer measures."""
    white = make_colour((255, 255, 255), encoding_of(frame))
    arm, thin = frame.height / 100, max(2, frame.height // 540 * 2)
    y = 0.5 * frame.height
    for x in (0.42 * frame.width, 0.58 * frame.width):
        fill(frame, _pixels(frame, x - arm, y - thin / 2, 2 * arm, thin), white)
        fill(frame, _pixels(frame, x - thin / 2, y - arm, thin, 2 * arm), white)
    for x in np.linspace(0.42, 0.58, 24) * frame.width:
        fill(frame, _pixels(frame, float(x), y, thin, thin), white)


def _text(frame: Frame) -> None:
    """An annotation typed over the tissue."""
    box = _part(frame, 0.42, 0.3, 0.62, 0.36)
    under = np.repeat(frame.luma(box)[..., None], 3, axis=2)
    _write(under, "LT PAROTID", (4, int(0.8 * box.height)), frame.height / 900, (255, 255, 255))
    paste(frame, make_sprite(under, encoding_of(frame)), box.x, box.y)


def _dual(frame: Frame) -> None:
    """Two pictures side by side with a gap: the left half again on the right."""
    middle = frame.width // 4 * 2
    for index, plane in enumerate(frame.planes):
        quarter, start = plane.shape[1] // 4, middle // (2 if index else 1)
        plane[:, start : start + quarter] = plane[:, quarter : 2 * quarter].copy()
    gap = frame.width // 80 * 2
    black = make_colour((0, 0, 0), encoding_of(frame))
    fill(frame, _pixels(frame, middle - gap / 2, 0, gap, frame.height), black)


def _air(frame: Frame) -> None:
    """The probe held in air: a few bright echoes of the probe itself, and darkness below."""
    luma = frame.planes[0][..., 0] if frame.format is PixelFormat.YUYV else frame.planes[0]
    black = 0 if frame.full_range else 16
    below = luma[int(0.2 * frame.height) :]
    below[:] = np.maximum(below, black) // 24 + black


def _noise(frame: Frame) -> None:
    """Analogue snow, grey and other in each picture: what a card may deliver without a signal."""
    whole = _part(frame, 0.0, 0.0, 1.0, 1.0)
    snow = np.random.default_rng(frame.sequence).integers(0, 256, (whole.height, whole.width), np.uint8)
    paste(frame, make_sprite(np.dstack([snow] * 3), encoding_of(frame)), whole.x, whole.y)


DRAWN: dict[str, Callable[[Frame], None]] = {
    "black": _black,
    "blue": _blue,
    "menu": _menu,
    "doppler": _doppler,
    "caliper": _caliper,
    "text": _text,
    "dual": _dual,
    "air": _air,
    "noise": _noise,
}
OUTAGES = {
    "no-signal": Condition.NO_SIGNAL,
    "no-lock": Condition.NO_LOCK,
    "unsupported": Condition.UNSUPPORTED,
    "device-lost": Condition.DEVICE_LOST,
}
FAULTS = ("freeze", "stall", "torn", *OUTAGES, *DRAWN)


def _part(frame: Frame, left: float, top: float, right: float, bottom: float) -> Roi:
    """A rectangle in shares of the picture, on even pixels."""
    width, height = (right - left) * frame.width, (bottom - top) * frame.height
    return _pixels(frame, left * frame.width, top * frame.height, width, height)


def _pixels(frame: Frame, x: float, y: float, width: float, height: float) -> Roi:
    left, top = int(x) & ~1, int(y) & ~1
    right, bottom = frame.width & ~1, frame.height & ~1
    return Roi(
        left, top, min(max(2, int(width) & ~1), right - left), min(max(2, int(height) & ~1), bottom - top)
    )


def _write(panel: Plane, text: str, at: tuple[int, int], size: float, colour: Colour) -> None:
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.6 * size))
    cv2.putText(panel, text, at, font, size, colour, thickness, cv2.LINE_AA)
