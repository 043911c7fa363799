"""Everything that capture asks of the kernel, in one place: a test puts a made-up card behind it."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import threading
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Memory = NDArray[np.uint8]


class Kernel(Protocol):
    """System calls and time. Failures are OSError with the kernel's number."""

    def open(self, path: str) -> int:
        """A descriptor that never blocks."""

    def close(self, fd: int) -> None:
        """Let it go."""

    def ioctl(self, fd: int, request: int, argument: ctypes._CData) -> None:
        """The request, which writes its answer into `argument`."""

    def map(self, fd: int, length: int, offset: int) -> Memory:
        """A buffer of the driver's; unmapped when its last array is gone."""

    def wait(self, fd: int, events: int, seconds: float) -> int:
        """What `poll` says of `events` and of errors after at most `seconds`; 0 for nothing."""

    def identity(self, path: str) -> tuple[int, int] | None:
        """Tells one device node from another one of the same name; None where there is none."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC."""

    def pause(self, closed: threading.Event, seconds: float) -> None:
        """Wait, unless `closed` is set."""


class Linux:
    """The real one."""

    def open(self, path: str) -> int:
        """See `Kernel`."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        """See `Kernel`."""
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: ctypes._CData) -> None:
        """See `Kernel`. Begins again where a signal came between."""
        try:
            fcntl.ioctl(fd, request, argument)
        except InterruptedError:
            self.ioctl(fd, request, argument)

    def map(self, fd: int, length: int, offset: int) -> Memory:
        """See `Kernel`."""
        return np.frombuffer(mmap.mmap(fd, length, mmap.MAP_SHARED, offset=offset), np.uint8)

    def wait(self, fd: int, events: int, seconds: float) -> int:
        """See `Kernel`."""
        poll = select.poll()
        poll.register(fd, events)
        found = poll.poll(1000 * seconds)
        return found[0][1] if found else 0

    def identity(self, path: str) -> tuple[int, int] | None:
        """See `Kernel`. A node that was made anew has another inode or time."""
        try:
            status = os.stat(path)  # noqa: PTH116 - the path may be a link that leads nowhere
        except OSError:
            return None
        return status.st_rdev, status.st_ctime_ns

    def now_ns(self) -> int:
        """See `Kernel`."""
        return time.monotonic_ns()

    def pause(self, closed: threading.Event, seconds: float) -> None:
        """See `Kernel`."""
        closed.wait(seconds)
