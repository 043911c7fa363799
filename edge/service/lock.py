"""One service at a time: a lock that the kernel drops with the process, so that it is never stale."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import BusyError, CannotCreateError


@contextmanager
def only_instance(path: Path) -> Iterator[None]:
    """Hold the lock file `path` during the block. The file stays: what counts is the lock on it.

    Raises:
        BusyError: another process holds it; the message has its pid.
        CannotCreateError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotCreateError(
            f"cannot make the lock '{path}': {error.strerror}. Run as the service's user, or give another "
            "file as [service] lock"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise BusyError(
                f"sonocart runs already, pid {holder} (lock '{path}'). Stop it: systemctl stop sonocart"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
