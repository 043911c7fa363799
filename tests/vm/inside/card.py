"""The capture card, the kernel's `vivid`: its controls by ioctl, and its socket by sysfs.

Linux, include/uapi/linux/videodev2.h; a fault takes effect within the system call that provokes it.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from inside.outcome import FailedError

CLASS = Path("/sys/class/video4linux")
DRIVER = Path("/sys/bus/platform/drivers/vivid")
CAPTURE, OUTPUT = 1, 2  # V4L2_BUF_TYPE_VIDEO_CAPTURE and _OUTPUT
NO_SIGNAL, NO_LOCK, OUT_OF_RANGE, SIGNAL = range(1, 5)  # of the control dv_timings_signal_mode
MAPPED = 1  # V4L2_MEMORY_MMAP
CONNECTED = 2  # of hdmi_000_0_is_connected_to: the first of the outputs
_NEXT = 1 << 31


def iowr(number: int, size: int) -> int:
    """The number of an ioctl of V4L2 that reads and writes `size` bytes."""
    return 3 << 30 | size << 16 | ord("V") << 8 | number


_REQBUFS = iowr(8, 20)
_G_FMT, _S_FMT, _S_CTRL, _QUERYCTRL = iowr(4, 208), iowr(5, 208), iowr(28, 8), iowr(36, 68)
_QUERYMENU = iowr(37, 44)
_S_DV_TIMINGS, _ENUM_DV_TIMINGS = iowr(87, 132), iowr(98, 148)


def node(kind: str) -> Path | None:
    """The device node of vivid's "vid-cap" or "vid-out", while it is plugged in."""
    for entry in CLASS.glob("video*"):
        if (entry / "name").read_text().strip().endswith(kind):
            return Path("/dev") / entry.name
    return None


def opened(kind: str) -> int:
    """A descriptor of the node, the caller's."""
    path = node(kind)
    if path is None:
        raise FailedError(f"vivid has no {kind}")
    return os.open(path, os.O_RDWR)


def control(**values: int) -> None:
    """Set controls by their names, in lower case with _ between the words."""
    descriptor = opened("vid-cap")
    try:
        numbers = dict(_controls(descriptor))
        for name, value in values.items():
            fcntl.ioctl(descriptor, _S_CTRL, bytearray(struct.pack("=Ii", numbers[name], value)))
    finally:
        os.close(descriptor)


def _controls(descriptor: int) -> Iterator[tuple[str, int]]:
    """Names and numbers."""
    query = bytearray(68)
    number = 0
    while True:
        struct.pack_into("=I", query, 0, number | _NEXT)
        try:
            fcntl.ioctl(descriptor, _QUERYCTRL, query)
        except OSError:
            return
        number = struct.unpack_from("=I", query)[0]
        name = query[8:40].split(b"\0")[0].decode()
        yield "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split()), number


def _timings(descriptor: int, width: int, height: int) -> bytes:
    """The first progressive timings with that picture, which are those of 60 Hz."""
    entry = bytearray(148)
    for index in range(200):
        struct.pack_into("=I", entry, 0, index)
        fcntl.ioctl(descriptor, _ENUM_DV_TIMINGS, entry)
        if struct.unpack_from("=III", entry, 20) == (width, height, 0):
            return bytes(entry[16:])
    raise FailedError(f"vivid knows no timings of {width}x{height}")


def set_output(descriptor: int, width: int, height: int) -> None:
    """Let the scanner send NV12 of that size."""
    fcntl.ioctl(descriptor, _S_DV_TIMINGS, bytearray(_timings(descriptor, width, height)))
    form = bytearray(208)
    struct.pack_into("=I4xII4sI", form, 0, OUTPUT, width, height, b"NV12", 1)
    fcntl.ioctl(descriptor, _S_FMT, form)
    found = struct.unpack_from("=II4s", form, 8)
    if found != (width, height, b"NV12"):
        raise FailedError(f"vivid sends {found} instead of {width}x{height} NV12")


def captured_size() -> tuple[int, int]:
    """What the service has told the card to deliver."""
    descriptor = opened("vid-cap")
    try:
        form = bytearray(208)
        struct.pack_into("=I", form, 0, CAPTURE)
        fcntl.ioctl(descriptor, _G_FMT, form)
        width, height = struct.unpack_from("=II", form, 8)
        return width, height
    finally:
        os.close(descriptor)


def receive(width: int, height: int, scan: str = "p") -> None:
    """That signal arrives at 60 Hz, interlaced with "i"; of another one than before an event tells."""
    names = [f"{width}x{height}{scan}{rate}" for rate in ((59, 60) if scan == "p" else (29, 30))]
    descriptor = opened("vid-cap")
    try:
        number = dict(_controls(descriptor))["dv_timings"]
        for index in range(200):
            entry = bytearray(struct.pack("=II36x", number, index))
            fcntl.ioctl(descriptor, _QUERYMENU, entry)
            if entry[8:40].split(b"\0")[0].decode() in names:
                break
    finally:
        os.close(descriptor)
    control(dv_timings=index)
    control(dv_timings_signal_mode=SIGNAL)


def seize() -> int:
    """Take the card's buffers as a program does that streams; the descriptor is the caller's."""
    descriptor = opened("vid-cap")
    request_buffers(descriptor, 1, CAPTURE)
    return descriptor


def request_buffers(descriptor: int, count: int, kind: int) -> None:
    """Have the driver make so many, of `CAPTURE` or `OUTPUT`."""
    fcntl.ioctl(descriptor, _REQBUFS, bytearray(struct.pack("=III8x", count, kind, MAPPED)))


def pull() -> None:
    """Out of its socket."""
    (DRIVER / "unbind").write_text("vivid.0")


def plug() -> None:
    """Into its socket again; a new card with the driver's own settings."""
    (DRIVER / "bind").write_text("vivid.0")
