"""Disks that a recording is written to, and the end of one: rows 22 to 24 and 26."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from inside.journal import now, wait
from inside.outcome import FailedError, LateError, Outcome
from inside.scanner import Scanner
from inside.service import PYTHON, RECORDING, RECORDINGS, SETTINGS, Service, sh

_LOOP_SET_FD, _LOOP_CLR_FD, _LOOP_CTL_GET_FREE = 0x4C00, 0x4C01, 0x4C82  # linux/loop.h
_F_ADD_SEALS, _F_SEAL_FUTURE_WRITE = 1033, 0x10  # fcntl.h


def full(service: Service, _: Scanner) -> Outcome:
    """A recording fills a small disk."""
    return _stops(service, _small("size=1m"), "No space left on device")


def without_inodes(service: Service, _: Scanner) -> Outcome:
    """A disk has room, but for no further file."""
    return _stops(service, _small("nr_inodes=3"), "No space left on device", lambda: "nothing kept")


def failing(service: Service, _: Scanner) -> Outcome:
    """A disk fails in the middle of a recording."""
    return _stops(service, _failing(), "Input/output error")


@contextmanager
def _small(limit: str) -> Iterator[Callable[[], object]]:
    """A disk of its own for recordings."""
    sh(f"mount -t tmpfs -o {limit},mode=700,uid=sonocart,gid=sonocart t {RECORDINGS}")
    try:
        yield lambda: None
    finally:
        sh(f"umount {RECORDINGS}")


@contextmanager
def _failing() -> Iterator[Callable[[], object]]:
    """A disk that answers every write with an error once what it yields is called: memory, sealed then."""
    memory = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
    os.truncate(memory, 64 << 20)
    with Path("/dev/loop-control").open("rb") as control:
        device = Path(f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}")
    try:
        with device.open("rb+", buffering=0) as loop:
            fcntl.ioctl(loop, _LOOP_SET_FD, memory)
        sh(f"mkfs.ext4 -q -O ^has_journal {device}")
        sh(f"mount -o errors=continue {device} {RECORDINGS}")
        sh(f"chown sonocart:sonocart {RECORDINGS}; chmod 700 {RECORDINGS}")
        yield lambda: fcntl.fcntl(memory, _F_ADD_SEALS, _F_SEAL_FUTURE_WRITE)
    finally:
        sh(f"umount {RECORDINGS}", check=False)
        with device.open("rb", buffering=0) as loop:
            fcntl.ioctl(loop, _LOOP_CLR_FD)
        os.close(memory)


def _stops(
    service: Service,
    disk: AbstractContextManager[Callable[[], object]],
    why: str,
    left: Callable[[], str] | None = None,
) -> Outcome:
    """A disk that takes no more ends the recording, says `why`, disturbs no picture; what is `left` plays."""
    service.configure(RECORDING)
    sh("systemctl stop sonocart")
    with disk as spoil:
        begin = now()
        try:
            service.start()
            service.steady()
            before = service.pid()
            spoil()
            refusal = service.journal.says(begin, why)
            time.sleep(2)
            dark = [status.state for status in service.journal.statuses(refusal.at) if not status.live]
            if service.pid() != before:
                raise FailedError("another process")
            if dark:
                raise LateError(f"the picture was lost: {dark}")
            if any("a thread has died" in entry.text for entry in service.journal.since(begin)):
                raise FailedError("a thread has died")
        finally:
            sh("systemctl stop sonocart")
            service.configure(SETTINGS)
        rest = (left or playable)()
    service.start()
    return Outcome(f"live throughout; {rest}; said: {refusal.text.partition('message=')[2][:70]}")


def read_only(service: Service, _: Scanner) -> Outcome:
    """Recordings are wanted where nothing can be written."""
    service.configure(RECORDING)
    sh("systemctl stop sonocart")
    sh(f"mount -t tmpfs -o ro,size=1m t {RECORDINGS}")
    try:
        live = service.start()
        service.steady()
    finally:
        service.configure(SETTINGS)
        sh(f"systemctl stop sonocart; umount {RECORDINGS}")
        service.start()
    return Outcome("live without recording", None, live)


def terminated(service: Service, _: Scanner) -> Outcome:
    recording(service)
    begin = now()
    sh("systemctl stop sonocart")
    took = now() - begin
    service.configure()
    code, result = service.show("ExecMainStatus"), service.show("Result")
    seen = playable()
    live = service.start()
    if code != "0" or result != "success":
        raise FailedError(f"exit {code}, {result}, after {took:.1f} s")
    if took > 5:
        raise LateError(f"exit 0 after {took:.1f} s")
    return Outcome(f"exit 0 after {took:.1f} s, {seen}", None, live)


def terminated_early(service: Service, _: Scanner) -> Outcome:
    """Stopped while it still loads the network."""
    sh("systemctl stop sonocart")
    sh("systemctl start --no-block sonocart")
    wait(service.pid, "the process")
    time.sleep(0.7)
    state = service.show("ActiveState")
    sh("systemctl stop sonocart")
    code, result = service.show("ExecMainStatus"), service.show("Result")
    live = service.start()
    if state != "activating" or result != "success":
        raise FailedError(f"was {state} when stopped; exit {code}, {result}")
    return Outcome(f"a clean stop (exit {code})", None, live)


def recording(service: Service, *_: Scanner) -> Outcome:
    """Restart with a recording that begins at once, and let it run for some seconds."""
    service.configure(RECORDING)
    service.restart()
    time.sleep(4)
    return Outcome("recording")


def playable() -> str:
    """That the newest recording can be decoded."""
    files = sorted(RECORDINGS.rglob("*.mp4"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise FailedError("there is no recording")
    code = "import av, sys; print(sum(1 for _ in av.open(sys.argv[1]).decode(video=0)))"
    count = int(sh(f"{PYTHON} -c '{code}' {files[-1]}"))
    if count < 1:
        raise FailedError(f"{files[-1].name} cannot be played")
    return f"{count} frames playable"
