"""A video cable in software: numbered pictures go in at one end, H.264 through a pipe, a source reads them.

It stands in for screen, cable and capture card, so that glass-to-glass can be measured and tested anywhere.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import Progress

from edge.contract.frame import Frame
from edge.errors import UnavailableError, UsageError
from edge.phantom.cine import Cine, make_cine
from edge.pictures import rows_of
from edge.sources.base import SourceEnded, SourceInfo
from edge.sources.phantom import SCHEME, SLICES, parse_options
from edge.sources.slabs import Slabs
from edge.sources.video import as_frame

if TYPE_CHECKING:
    import av

_LENGTH = struct.Struct("<I")
_TO_LIMITED = np.rint(16 + np.arange(256) * (219 / 255)).astype(np.uint8)  # ITU-R BT.709, section 3.5


class Cable:
    """Shows a cine at a rate from the first `read` on; a `FrameSource` at its far end."""

    def __init__(self, cine: Cine, rate: int):
        """Nothing is shown yet.

        Raises:
            UnavailableError: this PyAV has no libx264.
        """
        import av

        if "libx264" not in av.codecs_available:
            raise UnavailableError("the software cable needs PyAV with libx264; install a wheel of av")
        self.shown_ns: dict[int, int] = {}
        self._cine = cine
        self._rate = rate
        height, width = cine.screen.shape
        self._info = SourceInfo("software cable", width, height, float(rate))
        self._closed = threading.Event()
        far, near = os.pipe()
        self._far = os.fdopen(far, "rb")
        self._near = os.fdopen(near, "wb", buffering=0)
        self._shower = threading.Thread(target=self._show, name="cable", daemon=True)
        self._slabs = Slabs()
        self._pictures = self._receive()
        self._sequence = 0

    @property
    def info(self) -> SourceInfo:
        """Of the cine."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        if not self._shower.ident:
            self._shower.start()
        picture = next(self._pictures, None)
        if picture is None:
            raise SourceEnded
        sequence, self._sequence = self._sequence, self._sequence + 1
        return as_frame(picture, sequence, time.monotonic_ns(), self._slabs)

    def close(self) -> None:
        """Pull the plug: nothing more is shown, a waiting `read` ends, and both ends are closed."""
        self._closed.set()
        if self._shower.ident:
            self._shower.join(timeout=1.0)
        if self._shower.is_alive():  # it waits at a full pipe, so nobody is reading
            self._far.close()
            self._shower.join(timeout=1.0)
        self._near.close()
        self._far.close()

    def _show(self) -> None:
        """Draw picture after picture with its number, and note when each went into the cable."""
        import av

        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = self._info.width, self._info.height, "yuv420p"
        context.time_base = Fraction(1, self._rate)
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}
        context.gop_size = self._rate
        started = time.monotonic()
        with self._near, contextlib.suppress(BrokenPipeError):
            for number in range(1 << 24):
                if self._closed.wait(max(0.0, started + number / self._rate - time.monotonic())):
                    return
                picture = av.VideoFrame(self._info.width, self._info.height, "yuv420p")
                luma = _TO_LIMITED[self._cine.frame(number, counter=True)]
                for plane, values in zip(picture.planes, (luma, 128, 128), strict=True):
                    rows_of(plane)[:, : plane.width] = values
                picture.pts = number
                self.shown_ns[number] = time.monotonic_ns()
                for packet in context.encode(picture):
                    data = bytes(packet)
                    self._near.write(_LENGTH.pack(len(data)) + data)

    def _receive(self) -> Iterator[av.VideoFrame]:
        import av

        context = av.CodecContext.create("h264", "r")
        context.thread_type = "SLICE"  # frame threads would hold pictures back
        while data := _packet(self._far):
            yield from context.decode(av.Packet(data))


def open_cable(text: str) -> Cable:
    """The cable that shows the phantom of `phantom:key=value,...`.

    Raises:
        UsageError: another source, or options that make no sense.
    """
    if not text.startswith(SCHEME):
        raise UsageError(f"'{text}' cannot be numbered; expected phantom: with its options")
    options, rate = parse_options(text)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scanning the phantom", total=SLICES)
        return Cable(make_cine(options, lambda done: progress.update(task, completed=done)), rate)


def _packet(stream: BinaryIO) -> bytes:
    """The next packet, or nothing at the end."""
    header = b"" if stream.closed else stream.read(_LENGTH.size)
    return stream.read(_LENGTH.unpack(header)[0]) if len(header) == _LENGTH.size else b""
