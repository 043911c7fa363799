"""A capture card as a `FrameSource`: it says what is wrong, and comes back by itself.

One state at a time: no device (opened again with a growing delay, at once when its node is made anew), device
without a stream (no signal: asked four times a second and told by events), stream. Any error of the queue
closes the device and begins anew; a change at the source ends the stream alone.
"""

from __future__ import annotations

import errno
import logging
import select
import threading
from collections import Counter
from typing import TYPE_CHECKING

from edge.contract.frame import Frame
from edge.errors import SonocartError
from edge.sources.base import Condition, Outage, SourceEnded, SourceInfo
from edge.sources.card import videodev2 as v
from edge.sources.card.choose import SCHEME, agree, explained, open_card, parse_wish, stable_path
from edge.sources.card.device import VideoDevice
from edge.sources.card.kernel import Kernel, Linux, Memory
from edge.sources.card.layout import COMPRESSED, Mode, as_frame, size_of
from edge.sources.slabs import Slabs

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

logger = logging.getLogger(__name__)

BUFFERS = 4
LOOK_S = 0.25  # between two questions whether the device or the signal is back
QUIET_NS = 500_000_000  # without a picture, before the signal is asked for
STUCK_NS = 3_000_000_000  # without a picture though a signal is there, before the device is opened anew
DELAYS_S = (0.5, 1.0, 2.0, 4.0, 5.0)  # between attempts that fail in a row
_SETTLED_NS = 5_000_000_000  # of pictures, before a failure counts as the first one again
_OLDEST_NS = 1_000_000_000  # a time stamp further from now is not believed
_SPEAKING = (errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EBUSY, errno.EACCES, errno.EPERM)
_WRAP = 1 << 32  # of the driver's sequence numbers


class CardSource:
    """Owns the device from the first line on."""

    def __init__(self, text: str, *, kernel: Kernel | None = None):
        """Open the device that `text` names, see `parse_wish`; streaming begins with the first `read`.

        Raises:
            UsageError: `text` makes no sense.
            SonocartError: no such device, no right, busy, or it captures nothing that is taken. That nothing
                arrives at its input is no error.
        """
        self._kernel = Linux() if kernel is None else kernel
        self._wish = parse_wish(text)
        self._path = stable_path(self._wish.path)
        self._closed = threading.Event()
        self._slabs = Slabs()
        self._device: VideoDevice | None = open_card(self._path, self._kernel)
        self._mode: Mode | None = None
        self._buffers: list[Memory] = []
        self._decoder: VideoCodecContext | None = None
        self._outage: Outage | None = None
        self._failures = 0
        self._due_ns = 0
        self._identity = self._kernel.identity(self._path)
        self._started_ns = self._picture_ns = self._asked_ns = 0
        self._driver_sequence: int | None = None
        self._sequence = -1
        self._announced = ""
        self.counts: Counter[str] = Counter()
        try:
            pix = self._device.format()
            self._info = SourceInfo(SCHEME + self._path, pix.width, pix.height, self._device.rate() or 30.0)
            self._describe(agree(self._device, self._wish))
        except Outage:
            pass
        except OSError as error:
            self._device.close()
            raise explained(self._path, error) from error
        except SonocartError:
            self._device.close()
            raise

    @property
    def info(self) -> SourceInfo:
        """Of the present signal, or of the last one."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        while not self._closed.is_set():
            outage: Outage | None = None
            try:
                frame = self._step()
                if frame is not None:
                    self._outage = None
                    return frame
            except Outage as found:
                outage = found
            except SonocartError as error:
                self._fail()
                outage = Outage(Condition.DEVICE_LOST, str(error))
            except OSError as error:
                self._fail()
                outage = Outage(Condition.DEVICE_LOST, self._because(error))
            if outage is not None and str(outage) != str(self._outage):
                self._outage = outage
                raise outage
        self._let_go()
        raise SourceEnded

    def close(self) -> None:
        """End a waiting `read`, which lets go of the device."""
        self._closed.set()

    def _step(self) -> Frame | None:
        """One look at the present state, a quarter of a second long at most."""
        if self._device is None:
            self._reopen()
        elif self._mode is None:
            self._begin(self._device)
        else:
            return self._receive(self._device, self._mode)
        return None

    def _reopen(self) -> None:
        identity = self._kernel.identity(self._path)
        made_anew = identity is not None and identity != self._identity
        if identity is None or (not made_anew and self._kernel.now_ns() < self._due_ns):
            self._identity = identity
            self._kernel.pause(self._closed, LOOK_S)
            return
        self._identity = identity
        self._device = open_card(self._path, self._kernel)

    def _begin(self, device: VideoDevice) -> None:
        """Start the stream if something arrives, else wait a while."""
        device.subscribe()
        device.take_events()
        try:
            mode = agree(device, self._wish)
        except Outage:
            if device.wait(select.POLLPRI, LOOK_S) & ~select.POLLPRI:
                self._kernel.pause(self._closed, LOOK_S)  # a driver that answers at once
            raise
        self._buffers = device.request_buffers(BUFFERS)
        for index in range(len(self._buffers)):
            device.queue(index)
        device.stream(True)
        self._describe(mode)
        self._mode = mode
        self._started_ns = self._picture_ns = self._asked_ns = self._kernel.now_ns()
        self._driver_sequence = None
        if str(mode) != self._announced:
            self._announced = str(mode)
            logger.info("%s: %s", self._path, mode)

    def _receive(self, device: VideoDevice, mode: Mode) -> Frame | None:
        ready = device.wait(select.POLLIN | select.POLLPRI, LOOK_S)
        now_ns = self._kernel.now_ns()
        if ready & select.POLLPRI and device.take_events():
            self._end_stream(device)
            return None
        if ready & (select.POLLIN | select.POLLERR | select.POLLHUP | select.POLLNVAL):
            buffer = device.dequeue()  # says with its error what POLLERR means
            if buffer is not None:
                self._picture_ns = now_ns
                if self._failures and now_ns - self._started_ns > _SETTLED_NS:
                    self._failures = 0
                frame = self._frame(buffer, mode, now_ns)
                device.queue(buffer.index)
                return frame
            if ready & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                raise OSError(errno.EIO, "Input/output error")
        elif now_ns - self._picture_ns >= STUCK_NS:
            self.counts["restarts"] += 1
            self._let_go()  # and opened again at once: nothing is missed while it is silent
        elif now_ns - max(self._picture_ns, self._asked_ns) >= QUIET_NS:
            self._asked_ns = now_ns
            if device.received().condition is not None:
                self._end_stream(device)
        return None

    def _frame(self, buffer: v.Buffer, mode: Mode, now_ns: int) -> Frame | None:
        """The buffer's picture, unless it is damaged."""
        self._count(int(buffer.sequence))
        if buffer.flags & v.BUF_FLAG_ERROR:
            self._damaged("flagged")
            return None
        memory = self._buffers[buffer.index]
        captured_ns = buffer.tv_sec * 1_000_000_000 + buffer.tv_usec * 1000
        monotonic = buffer.flags & v.BUF_FLAG_TIMESTAMP_MASK == v.BUF_FLAG_TIMESTAMP_MONOTONIC
        if not monotonic or not 0 <= now_ns - captured_ns <= _OLDEST_NS:
            captured_ns = now_ns
        if mode.code in COMPRESSED:
            return self._decoded(memory[: buffer.bytesused].tobytes(), mode, captured_ns)
        if buffer.bytesused < size_of(mode) or memory.size < size_of(mode):
            self._damaged("torn")
            return None
        return as_frame(memory, mode, self._slabs, self._sequence, captured_ns)

    def _decoded(self, data: bytes, mode: Mode, captured_ns: int) -> Frame | None:
        import av

        from edge.sources import video

        if self._decoder is None:
            self._decoder = av.CodecContext.create("mjpeg", "r")
            self._decoder.thread_count = 1  # a second thread would hold every picture back
            self._decoder.options = {"max_pixels": str(mode.width * mode.height)}
        try:
            pictures = self._decoder.decode(av.Packet(data))
        except av.FFmpegError:
            self._damaged("undecodable")
            return None
        if len(pictures) != 1 or (pictures[0].width, pictures[0].height) != (mode.width, mode.height):
            self._damaged("undecodable")
            return None
        return video.as_frame(pictures[0], self._sequence, captured_ns, self._slabs)

    def _count(self, driver_sequence: int) -> None:
        """Our own number goes on over restarts and the driver's wrap; what was skipped leaves a gap."""
        step = 1
        if self._driver_sequence is not None:
            step = (driver_sequence - self._driver_sequence) % _WRAP
            step = step if 0 < step < _WRAP // 2 else 1  # a driver that begins again, or never counts
        self._driver_sequence = driver_sequence
        self._sequence += step
        self.counts["lost"] += step - 1

    def _damaged(self, how: str) -> None:
        self.counts[how] += 1
        if self.counts[how] & (self.counts[how] - 1) == 0:  # the 1st, 2nd, 4th, 8th...: no flood
            logger.warning("%s: %d pictures %s and not used", self._path, self.counts[how], how)

    def _end_stream(self, device: VideoDevice) -> None:
        device.stream(False)
        self._forget_stream()
        device.request_buffers(0)

    def _forget_stream(self) -> None:
        self._mode, self._buffers, self._decoder = None, [], None

    def _fail(self) -> None:
        """Close the device; the next attempt comes later for each failure in a row."""
        self._let_go()
        delay = DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        self._failures += 1
        self.counts["restarts"] += 1
        self._due_ns = self._kernel.now_ns() + int(delay * 1e9)

    def _let_go(self) -> None:
        self._forget_stream()
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _because(self, error: OSError) -> str:
        if error.errno in _SPEAKING:
            return str(explained(self._path, error))
        return f"'{self._path}' fails: {error.strerror}; opening it again"

    def _describe(self, mode: Mode) -> None:
        self._info = SourceInfo(SCHEME + self._path, mode.width, mode.height, mode.rate)
