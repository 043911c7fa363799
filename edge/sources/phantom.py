"""The synthetic scanner as a live source: `phantom:` or `phantom:label=benign,seed=7,size=1280x720`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.errors import UsageError
from edge.phantom.chrome import LAYOUTS
from edge.phantom.cine import MOTIONS, CineOptions, make_cine
from edge.phantom.modes import MODES, Scene, show
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.clock import LiveClock

SCHEME = "phantom:"
SLICES = 24  # as many as are made in some seconds; the sweep plays them back and forth

_CHOICES = {
    "label": ("benign", "malignant"),
    "geometry": ("linear", "sector"),
    "layout": tuple(LAYOUTS),
    "motion": MOTIONS,
    "mode": ("plain", *MODES),
}
_TO_LIMITED = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)  # ITU-R BT.709, section 3.5


def parse_options(text: str) -> tuple[CineOptions, int]:
    """The options and the frame rate in `phantom:key=value,...`; what is not given is as the default.

    Raises:
        UsageError: an unknown key, or a value that it cannot have.
    """
    options = CineOptions(1, "malignant", 1920, 1080, "aster", "linear", "sweep", SLICES)
    fps = 30
    for part in filter(None, text.removeprefix(SCHEME).split(",")):
        key, _, value = part.partition("=")
        if key in _CHOICES and value in _CHOICES[key]:
            options = replace(options, **{key: value})  # type: ignore[arg-type]
        elif key == "seed" and value.isdecimal():
            options = replace(options, seed=int(value))
        elif key == "fps" and value.isdecimal() and 1 <= int(value) <= 240:
            fps = int(value)
        elif key == "size" and all(side.isdecimal() for side in value.split("x", 1)) and "x" in value:
            width, height = (int(side) & ~1 for side in value.split("x"))
            if not (320 <= width <= 7680 and 240 <= height <= 4320):
                raise UsageError(f"found size={value}, expected 320x240 to 7680x4320")
            options = replace(options, width=width, height=height)
        else:
            known = ", ".join(f"{name}={'|'.join(values)}" for name, values in _CHOICES.items())
            raise UsageError(
                f"found '{part}' in the source '{text}', expected {known}, seed=NUMBER, size=WIDTHxHEIGHT "
                "or fps=1 to 240"
            )
    return options, fps


class PhantomSource:
    """Plays a cine for ever, as I420 of limited range, like a capture card."""

    def __init__(self, text: str, *, pace: Pace, progress: Callable[[int], None]):
        """Scan the phantom, which takes some seconds; `progress` gets the number of slices done of `SLICES`.

        Raises:
            UsageError: `text` has options that make no sense.
        """
        options, fps = parse_options(text)
        cine = make_cine(options, progress)
        self.cine = replace(
            cine,
            screen=_TO_LIMITED[cine.screen],
            slices=tuple(_TO_LIMITED[luma] for luma in cine.slices),
        )
        self._mode = options.mode
        self._lesion = next((box for box in cine.lesions[len(cine.lesions) // 2 :] if box), cine.field)
        self._info = SourceInfo(SCHEME + options.label, options.width, options.height, float(fps))
        self._pace = pace
        self._closed = threading.Event()
        self._clock = LiveClock(self._closed)
        self._sequence = 0

    @property
    def info(self) -> SourceInfo:
        """As asked for."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        sequence, self._sequence = self._sequence, self._sequence + 1
        captured_ns = int(sequence * 1e9 / self._info.rate)
        if self._pace is Pace.LIVE:
            captured_ns = self._clock.wait(captured_ns)
        if self._closed.is_set():
            raise SourceEnded
        luma = self.cine.frame(sequence)
        blue, red = (np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8) for _ in range(2))
        frame = Frame(
            (luma, blue, red), PixelFormat.I420, sequence, captured_ns, full_range=False, matrix=Matrix.BT709
        )
        if self._mode != "plain":
            show(frame, self._mode, self.scene(sequence))
        return frame

    def scene(self, sequence: int) -> Scene:
        """What is where: the field, and the lesion as the middle of the sweep cuts it."""
        return Scene(self.cine.field, self._lesion, sequence)

    def close(self) -> None:
        """End a waiting `read`."""
        self._closed.set()
