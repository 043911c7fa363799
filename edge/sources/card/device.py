"""One opened capture device: what can be asked of it, in words instead of structures."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from edge.sources.base import Condition
from edge.sources.card import videodev2 as v
from edge.sources.card.kernel import Kernel, Memory

MAX_ENTRIES = 256  # of any list a driver gives; a broken one never ends
_ENDS = (errno.EINVAL, errno.ENOTTY, errno.ENODATA)  # a list is over, or the device has none
_CONDITIONS = {
    errno.ENOLINK: Condition.NO_SIGNAL,
    errno.ENOLCK: Condition.NO_LOCK,
    errno.ERANGE: Condition.UNSUPPORTED,
}
T = TypeVar("T", bound=ctypes.Structure)


@dataclass(frozen=True, slots=True)
class Timings:
    """Of a digital input: active pixels, pictures a second, interlaced or not."""

    width: int
    height: int
    rate: float
    interlaced: bool

    def __str__(self) -> str:
        """As video people write it."""
        return f"{self.width}x{self.height}{'i' if self.interlaced else 'p'} at {self.rate:.4g} Hz"


@dataclass(frozen=True, slots=True)
class Received:
    """What the input receives.

    Attributes:
        condition: why that is no picture, or None.
        timings: as measured; None where there are none, or the input has no such thing.
    """

    condition: Condition | None
    timings: Timings | None


class VideoDevice:
    """Requests to one descriptor. Failures are OSError with the driver's number."""

    def __init__(self, path: str, kernel: Kernel):
        """Open it."""
        self._kernel = kernel
        self.fd = kernel.open(path)

    def close(self) -> None:
        """Let it go; buffers that are still mapped keep it open."""
        self._kernel.close(self.fd)

    def ask(self, request: int, argument: T) -> T:
        """`argument`, filled in by the driver."""
        self._kernel.ioctl(self.fd, request, argument)
        return argument

    def capability(self) -> v.Capability:
        """Name, driver, bus; `device_caps` are those of this very node."""
        found = self.ask(v.QUERYCAP, v.Capability())
        if not found.capabilities & v.CAP_DEVICE_CAPS:
            found.device_caps = found.capabilities
        return found

    def formats(self) -> Iterator[v.FmtDesc]:
        """Pixel formats, in the driver's order."""
        return self._list(v.ENUM_FMT, lambda index: v.FmtDesc(index=index, type=v.CAPTURE))

    def sizes(self, pixelformat: int) -> list[tuple[int, int]]:
        """Sizes for a format; of a range its largest only; none where the input decides."""
        entries = self._list(
            v.ENUM_FRAMESIZES, lambda index: v.FrmSizeEnum(index=index, pixel_format=pixelformat)
        )
        found = []
        for entry in entries:
            if entry.type != v.FRMSIZE_TYPE_DISCRETE:
                return [(entry.sizes[1], entry.sizes[4])]
            found.append((entry.sizes[0], entry.sizes[1]))
        return found

    def rates(self, pixelformat: int, width: int, height: int) -> list[float]:
        """Pictures a second for a format and size; of a range its fastest only."""
        entries = self._list(
            v.ENUM_FRAMEINTERVALS,
            lambda index: v.FrmIvalEnum(index=index, pixel_format=pixelformat, width=width, height=height),
        )
        found = []
        for entry in entries:
            interval = entry.intervals[0]
            found.append(interval.denominator / max(1, interval.numerator))
            if entry.type != v.FRMIVAL_TYPE_DISCRETE:
                break
        return found

    def known_timings(self) -> list[Timings]:
        """Timings that the input can receive; empty where it is no digital input."""
        entries = self._list(v.ENUM_DV_TIMINGS, lambda index: v.EnumDvTimings(index=index))
        return [_timings(entry.timings.u.bt) for entry in entries]

    def received(self) -> Received:
        """What arrives at the input now. Devices that cannot tell are taken to receive something."""
        timings = v.DvTimings()
        try:
            self.ask(v.QUERY_DV_TIMINGS, timings)
        except OSError as error:
            bt = timings.u.bt
            measured = _timings(bt) if bt.width and bt.pixelclock else None
            if error.errno in _CONDITIONS:
                return Received(_CONDITIONS[error.errno], measured)
            if error.errno not in _ENDS:
                raise
            return Received(self._status(), None)
        found = _timings(timings.u.bt)
        return Received(Condition.UNSUPPORTED if found.interlaced else None, found)

    def adopt_timings(self) -> None:
        """Receive what arrives now: only without buffers."""
        self.ask(v.S_DV_TIMINGS, self.ask(v.QUERY_DV_TIMINGS, v.DvTimings()))

    def format(self) -> v.PixFormat:
        """The present format."""
        pix: v.PixFormat = self.ask(v.G_FMT, v.Format(type=v.CAPTURE)).fmt.pix
        return pix

    def set_format(self, code: int, width: int, height: int) -> v.PixFormat:
        """What the driver makes of the wish."""
        wish = v.Format(type=v.CAPTURE)
        wish.fmt.pix.pixelformat, wish.fmt.pix.field = code, v.FIELD_NONE
        wish.fmt.pix.width, wish.fmt.pix.height = width, height
        pix: v.PixFormat = self.ask(v.S_FMT, wish).fmt.pix
        return pix

    def rate(self) -> float | None:
        """Nominal pictures a second, where the driver says."""
        with suppress(OSError):
            interval = self.ask(v.G_PARM, v.StreamParm(type=v.CAPTURE)).timeperframe
            if interval.numerator and interval.denominator:
                return float(interval.denominator / interval.numerator)
        return None

    def set_rate(self, rate: float) -> None:
        """Ask for a rate; a device that has only one ignores it."""
        wish = v.StreamParm(type=v.CAPTURE)
        wish.timeperframe.numerator, wish.timeperframe.denominator = 1000, round(1000 * rate)
        with suppress(OSError):
            self.ask(v.S_PARM, wish)

    def subscribe(self) -> None:
        """Be told by POLLPRI when the source changes; devices without such events say so and are asked."""
        with suppress(OSError):
            self.ask(v.SUBSCRIBE_EVENT, v.EventSubscription(type=v.EVENT_SOURCE_CHANGE))

    def take_events(self) -> bool:
        """Take all waiting events; True if the source has changed."""
        changed = False
        for _ in range(MAX_ENTRIES):
            event = self._ask_if(v.DQEVENT, v.Event())
            if event is None:
                break
            changed |= event.type == v.EVENT_SOURCE_CHANGE
        return changed

    def request_buffers(self, count: int) -> list[Memory]:
        """So many buffers of the driver's, mapped, or fewer; 0 gives them all back."""
        got = self.ask(v.REQBUFS, v.RequestBuffers(count=count, type=v.CAPTURE, memory=v.MMAP))
        found = []
        for index in range(got.count if count else 0):
            buffer = self.ask(v.QUERYBUF, v.Buffer(index=index, type=v.CAPTURE, memory=v.MMAP))
            found.append(self._kernel.map(self.fd, buffer.length, buffer.offset))
        return found

    def queue(self, index: int) -> None:
        """Let the driver fill a buffer."""
        self.ask(v.QBUF, v.Buffer(index=index, type=v.CAPTURE, memory=v.MMAP))

    def dequeue(self) -> v.Buffer | None:
        """A filled buffer; None while there is none."""
        try:
            return self.ask(v.DQBUF, v.Buffer(type=v.CAPTURE, memory=v.MMAP))
        except BlockingIOError:
            return None

    def stream(self, on: bool) -> None:
        """Begin, or end: then all buffers are the program's again."""
        self._kernel.ioctl(self.fd, v.STREAMON if on else v.STREAMOFF, ctypes.c_int32(v.CAPTURE))

    def wait(self, events: int, seconds: float) -> int:
        """See `Kernel.wait`."""
        return self._kernel.wait(self.fd, events, seconds)

    def _status(self) -> Condition | None:
        """Of an input that has no timings but says whether something is plugged in."""
        index = ctypes.c_int32()
        try:
            self._kernel.ioctl(self.fd, v.G_INPUT, index)
            status = self.ask(v.ENUMINPUT, v.Input(index=index.value)).status
        except OSError as error:
            if error.errno not in _ENDS:
                raise
            return None
        if status & (v.IN_ST_NO_SIGNAL | v.IN_ST_NO_POWER):
            return Condition.NO_SIGNAL
        return Condition.NO_LOCK if status & (v.IN_ST_NO_SYNC | v.IN_ST_NO_H_LOCK) else None

    def _list(self, request: int, make: Callable[[int], T]) -> Iterator[T]:
        for index in range(MAX_ENTRIES):
            entry = self._ask_if(request, make(index))
            if entry is None:
                return
            yield entry

    def _ask_if(self, request: int, argument: T) -> T | None:
        """`ask`, or None where the driver has no more of it or none at all."""
        try:
            return self.ask(request, argument)
        except OSError as error:
            if error.errno in (*_ENDS, errno.ENOENT, errno.EAGAIN):
                return None
            raise


def _timings(bt: v.BtTimings) -> Timings:
    interlaced = bool(bt.interlaced)
    columns = bt.width + sum(bt.hblank)
    rows = bt.height + sum(bt.vblank) + (sum(bt.il_vblank) if interlaced else 0)
    return Timings(bt.width, bt.height, bt.pixelclock / max(1, columns * rows), interlaced)
