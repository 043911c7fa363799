"""The service's log: one line a record, rate limited, and never in the way of the picture.

For people a line reads `warning: the engine is built anew`. Where stderr is journald's it is logfmt behind
syslog's priority, which journald takes off: `<4>level=warning logger=edge.engines.worker message="the ..."`.
A reader that stalls, a full device or a closed stderr costs lines, never time and never an exception.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

LONGEST = 4096  # bytes: what a pipe that has room takes at once (PIPE_BUF)
BURST = 5  # records of one kind within a window
WINDOW_S = 10.0
_KINDS = 256

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class JournalHandler(logging.Handler):
    """Writes to a descriptor, if that can be done at once."""

    def __init__(self, descriptor: int = 2, *, clock: Callable[[], float] = time.monotonic):
        """Write to `descriptor`, which stays the caller's.

        Args:
            descriptor: of stderr, as a rule.
            clock: seconds, for the rate limit.
        """
        super().__init__()
        self.lost = 0  # lines that nobody would take
        self._descriptor = descriptor
        self._journald = _is_journald(descriptor)
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """One line, unless there were too many of its kind of late."""
        suppressed = self._admit((record.name, str(record.msg)))
        if suppressed is None:
            return
        try:
            line = self._line(record, suppressed)
        except (TypeError, ValueError):  # a message that does not fit its arguments
            line = self._line(logging.makeLogRecord({**record.__dict__, "args": None}), suppressed)
        self._write(line)

    def _admit(self, kind: tuple[str, str]) -> int | None:
        """How many of this kind were kept back before, or None to keep this one back too."""
        now = self._clock()
        begun, count = self._windows.get(kind, (now, 0))
        if now - begun < WINDOW_S:
            self._windows[kind] = (begun, count + 1)
            return 0 if count < BURST else None
        if len(self._windows) >= _KINDS:
            self._windows.clear()
        self._windows[kind] = (now, 1)
        return max(0, count - BURST)

    def _line(self, record: logging.LogRecord, suppressed: int) -> bytes:
        level = record.levelname.lower()
        message = record.getMessage()
        trace = ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = logging.Formatter().formatException(record.exc_info)
        if not self._journald:
            more = f" ({suppressed} more like it before)" if suppressed else ""
            text = f"{level}: {message}{more}" + (f"\n{trace}" if trace else "")
        else:
            priority = next((value for floor, value in _PRIORITIES if record.levelno >= floor), 7)
            text = f"<{priority}>level={level} logger={record.name} message={_quoted(message)}"
            text += f" suppressed={suppressed}" if suppressed else ""
            text += f" trace={_quoted(trace)}" if trace else ""
        cut = text.encode(errors="replace")[: LONGEST - 1].decode(errors="ignore")  # not within a character
        return cut.encode() + b"\n"

    def _write(self, line: bytes) -> None:
        try:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLOUT)
            events = poll.poll(0)
            if events and events[0][1] & select.POLLOUT:
                os.write(self._descriptor, line)
                return
        except OSError:  # closed, full, reader gone
            pass
        self.lost += 1


@contextmanager
def journal(level: str) -> Iterator[JournalHandler]:
    """All of the process's logs go to stderr by this handler during the block; ours from `level` up."""
    handler, root = JournalHandler(), logging.getLogger()
    before_level, before_hook = logging.getLogger("edge").level, threading.excepthook
    root.addHandler(handler)
    set_level(level)
    threading.excepthook = _log_thread
    faults = not faulthandler.is_enabled() and _is_open(2)
    if faults:
        faulthandler.enable(2)  # the watchdog's SIGABRT leaves every thread's stack in the journal
    try:
        yield handler
    finally:
        if faults:
            faulthandler.disable()
        threading.excepthook = before_hook
        logging.getLogger("edge").setLevel(before_level)
        root.removeHandler(handler)


def set_level(level: str) -> None:
    """Our records from `level` up are written; those of libraries from warnings up."""
    logging.getLogger("edge").setLevel(level.upper())


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _is_journald(descriptor: int) -> bool:
    """As systemd.exec(5) has it: JOURNAL_STREAM names the device and inode of journald's socket."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _log_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None:
        return
    trace: tuple[type[BaseException], BaseException, TracebackType | None]
    trace = (args.exc_type, args.exc_value, args.exc_traceback)
    logging.getLogger(__name__).error("a thread has died", exc_info=trace)
