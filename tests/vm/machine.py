"""The virtual cart's hardware: User-Mode Linux, a Linux kernel that runs as a process of this machine.

It needs no virtualization: the guest's programs run on this processor as they are, and only their system
calls are handed to the guest's kernel.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

QUIET_S = 240.0  # without a line from the guest, it hangs
RESET_S = 150.0  # for the watchdog to end a kernel that hangs
PRIORITY = -17  # a nice value: what others compute on this machine is no fault of the cart's


class Machine:
    """Disk and kernel in `cache`, which see guest.sh; powered up once at a time."""

    def __init__(self, cache: Path, words: str) -> None:
        """A new disk over the kept one; `words` are the kernel's."""
        self._cache, self._words = cache, words
        self._disk = cache / "run.cow"
        self._disk.unlink(missing_ok=True)
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def power_on(self) -> None:
        """Boot."""
        command = ["nice", "-n", str(PRIORITY), str(self._cache / "linux")]
        command += [f"ubd0={self._disk},{self._cache / 'base.raw'}", "mem=1536M"]
        command += ["root=/dev/ubda", "rw", "quiet", f"hostfs={self._cache / 'share'}", *self._words.split()]
        command += ["con=null", "con0=null,fd:2", "ssl=null", "ssl0=null,fd:1"]
        with (self._cache / "console.log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        with suppress(OSError):  # a session has one too, where the scheduler weighs sessions: sched(7)
            Path(f"/proc/{self._process.pid}/autogroup").write_text(str(PRIORITY))
        self._lines = queue.Queue()
        threading.Thread(target=_read, args=(self._process, self._lines), daemon=True).start()

    def messages(self) -> Iterator[dict[str, object]]:
        """What the guest says, until it is off; TimeoutError when it says nothing."""
        while True:
            try:
                line = self._lines.get(timeout=QUIET_S)
            except queue.Empty:
                raise TimeoutError(f"the guest has said nothing for {QUIET_S:.0f} s") from None
            if line is None:
                return
            if line.startswith("@{"):
                yield json.loads(line[1:])
            elif line:
                yield {"text": line}

    def cut_power(self) -> None:
        """Every process of the guest is gone at once; what its kernel had not written is lost."""
        assert self._process is not None
        self._process.kill()
        while members := _session(self._process.pid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self._process.wait()

    def hang(self) -> float:
        """Stop the kernel; seconds until the watchdog has ended it, TimeoutError if it does not."""
        assert self._process is not None
        begin = time.monotonic()
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            self._process.wait(RESET_S)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the watchdog has not reset the machine within {RESET_S:.0f} s") from None
        finally:
            self.cut_power()
        return time.monotonic() - begin


def _session(leader: int) -> list[int]:
    """Processes that the kernel has started and that still run; each is in a group of its own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, session = entry.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(entry.parent.name))
    return found


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.strip())
    lines.put(None)
