"""A capture card at the ioctl line, with a clock that only it moves."""

import ctypes
import errno
import select

import numpy as np

from edge.sources.card import videodev2 as v

PROGRESSIVE = (640, 480, 60.0, False)
NODE = "/dev/fake0"


class FakeCard:
    """A kernel with one HDMI card in it. Tests turn its attributes."""

    def __init__(self, *, code="YUYV", timings=PROGRESSIVE):
        self.now = 1_000_000_000_000
        self.codes = [code]
        self.signal = timings  # or an errno
        self.has_timings = True
        self.modes = {}  # code -> {size: [rates]}, for cards that scale
        self.plugged = 1  # another number is another node; 0 is none
        self.open_error = None
        self.errors = {}  # request -> list of errno, each used once
        self.skip = 0  # pictures that never arrive
        self.silent = False
        self.flags = v.BUF_FLAG_TIMESTAMP_MONOTONIC
        self.short = 0
        self.event_support = True
        self.stride = None
        self.pix = {"colorspace": v.COLORSPACE_REC709, "field": v.FIELD_NONE}
        self.step = 1
        self.payload = None
        self.delivered = []
        self.calls = []
        self.opened = 0
        self.events = 0
        self._fd = 10
        self._broken = set()
        self._reset()
        self._active = timings

    def _reset(self):
        self.streaming = False
        self.queued = []
        self.memory = []
        self.sequence = 0
        self.next_ns = 0

    # -- what tests do

    def set_signal(self, signal):
        self.signal = signal
        self.events += self.event_support

    def unplug(self):
        self.plugged = -self.plugged
        self._broken.add(self._fd)

    def plug(self):
        self.plugged = -self.plugged + 1

    # -- Kernel

    def open(self, path):
        self.calls.append((self.now, "open"))
        if self.open_error:
            raise OSError(self.open_error, "fake")
        if self.plugged <= 0 or path != NODE:
            raise OSError(errno.ENOENT, "fake")
        self._fd += 1
        self.opened += 1
        return self._fd

    def close(self, fd):
        self.opened -= 1
        self._broken.discard(fd)
        self._reset()

    def identity(self, path):
        return (81, self.plugged) if self.plugged > 0 else None

    def now_ns(self):
        return self.now

    def pause(self, closed, seconds):
        self.now += int(seconds * 1e9)

    def map(self, fd, length, offset):
        return self.memory[offset // 4096]

    def wait(self, fd, events, seconds):
        assert seconds > 0
        if fd in self._broken:
            return select.POLLERR
        if self.events and events & select.POLLPRI:
            return select.POLLPRI
        if events & select.POLLIN and self.streaming and not self.silent and self.queued:
            self.now = max(self.now, self.next_ns)
            return select.POLLIN
        self.now += int(seconds * 1e9)
        return 0

    def ioctl(self, fd, request, argument):
        if fd in self._broken:
            raise OSError(errno.ENODEV, "No such device")
        if self.errors.get(request):
            raise OSError(self.errors[request].pop(0), "fake")
        self.calls.append((self.now, request))
        handler = HANDLERS.get(request)
        if handler is None:
            raise OSError(errno.ENOTTY, "fake")
        handler(self, argument)

    # -- the driver

    def _querycap(self, a):
        a.card, a.driver, a.bus_info = b"Fake HDMI", b"fake", b"fake-1"
        a.capabilities = v.CAP_DEVICE_CAPS
        a.device_caps = v.CAP_VIDEO_CAPTURE | v.CAP_STREAMING

    def _enum_fmt(self, a):
        if a.index >= len(self.codes):
            raise OSError(errno.EINVAL, "fake")
        a.pixelformat = v.fourcc(self.codes[a.index])

    def _enum_sizes(self, a):
        sizes = list(self.modes.get(v.letters(a.pixel_format), {}))
        if a.index >= len(sizes):
            raise OSError(errno.EINVAL, "fake")
        a.type, a.sizes[0], a.sizes[1] = 1, *sizes[a.index]

    def _enum_rates(self, a):
        rates = self.modes.get(v.letters(a.pixel_format), {}).get((a.width, a.height), [])
        if a.index >= len(rates):
            raise OSError(errno.EINVAL, "fake")
        a.type, a.intervals[0].numerator, a.intervals[0].denominator = 1, 1, rates[a.index]

    def _query_timings(self, a):
        if not self.has_timings:
            raise OSError(errno.ENOTTY, "fake")
        if isinstance(self.signal, int):
            raise OSError(self.signal, "fake")
        bt = a.u.bt
        bt.width, bt.height, rate, interlaced = self.signal
        bt.interlaced, bt.pixelclock = interlaced, int(bt.width * bt.height * rate)

    def _set_timings(self, a):
        if self.memory:
            raise OSError(errno.EBUSY, "fake")
        self._active = (a.u.bt.width, a.u.bt.height)

    def _fill_pix(self, a, code):
        width, height = self._active[:2]
        pix = a.fmt.pix
        pix.width, pix.height, pix.pixelformat = width, height, v.fourcc(code)
        bytes_pixel = {"YUYV": 2, "UYVY": 2, "BGR3": 3, "RGB3": 3}.get(code, 1)
        pix.bytesperline = self.stride or width * bytes_pixel
        planar = code in ("NV12", "YU12", "YV12")
        pix.sizeimage = pix.bytesperline * height * (3 if planar else 2) // 2
        for name, value in self.pix.items():
            setattr(pix, name, value)
        self.size = pix.sizeimage

    def _g_fmt(self, a):
        self._fill_pix(a, self.codes[0])

    def _s_fmt(self, a):
        code = v.letters(a.fmt.pix.pixelformat)
        if not self.has_timings:
            self._active = (a.fmt.pix.width, a.fmt.pix.height)
        self._fill_pix(a, code if code in self.codes else self.codes[0])

    def _reqbufs(self, a):
        self.memory = [np.zeros(self.size, np.uint8) for _ in range(a.count)]

    def _querybuf(self, a):
        a.length, a.offset = self.size, a.index * 4096

    def _qbuf(self, a):
        self.queued.append(a.index)

    def _dqbuf(self, a):
        if not self.queued or self.now < self.next_ns or self.silent:
            raise BlockingIOError(errno.EAGAIN, "fake")
        a.index = self.queued.pop(0)
        self.sequence = (self.sequence + self.step * (1 + self.skip)) % (1 << 32)
        self.skip = 0
        rng = np.random.default_rng(self.sequence)
        filled = rng.integers(0, 256, self.size).astype(np.uint8)
        if self.payload is not None:
            filled[: len(self.payload)] = self.payload
        self.memory[a.index][:] = filled
        self.delivered.append(filled)
        a.sequence, a.flags = self.sequence, self.flags
        a.bytesused = len(self.payload) if self.payload is not None else self.size - self.short
        captured = self.now - 5_000_000
        a.tv_sec, a.tv_usec = captured // 10**9, captured % 10**9 // 1000
        self.next_ns = self.now + 16_666_667

    def _stream_on(self, a):
        assert a.value == v.CAPTURE
        self.streaming, self.next_ns = True, self.now + 16_666_667

    def _stream_off(self, a):
        self.streaming, self.queued, self.sequence = False, [], 0

    def _subscribe(self, a):
        if not self.event_support:
            raise OSError(errno.EINVAL, "fake")

    def _dqevent(self, a):
        if not self.events:
            raise OSError(errno.ENOENT, "fake")
        self.events -= 1
        a.type = v.EVENT_SOURCE_CHANGE


HANDLERS = {
    v.QUERYCAP: FakeCard._querycap,
    v.ENUM_FMT: FakeCard._enum_fmt,
    v.ENUM_FRAMESIZES: FakeCard._enum_sizes,
    v.ENUM_FRAMEINTERVALS: FakeCard._enum_rates,
    v.QUERY_DV_TIMINGS: FakeCard._query_timings,
    v.S_DV_TIMINGS: FakeCard._set_timings,
    v.G_FMT: FakeCard._g_fmt,
    v.S_FMT: FakeCard._s_fmt,
    v.S_PARM: lambda card, a: None,
    v.REQBUFS: FakeCard._reqbufs,
    v.QUERYBUF: FakeCard._querybuf,
    v.QBUF: FakeCard._qbuf,
    v.DQBUF: FakeCard._dqbuf,
    v.STREAMON: FakeCard._stream_on,
    v.STREAMOFF: FakeCard._stream_off,
    v.SUBSCRIBE_EVENT: FakeCard._subscribe,
    v.DQEVENT: FakeCard._dqevent,
}
assert ctypes.sizeof(v.Buffer) == 88
