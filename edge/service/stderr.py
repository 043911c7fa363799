"""A stderr whose writes cannot fail, a stdout in any case, and warnings that say what they are."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO, cast


class _Sound:
    """Passes everything on; what cannot be written is lost."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """As of a text stream."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # full, reader gone, closed
            return len(text)

    def flush(self) -> None:
        """As of a text stream."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def sound_stderr() -> None:
    """Put it in the place of `sys.stderr`, also where descriptor 2 was closed before the process began."""
    if sys.stderr is None:
        sys.stderr = _null(2)
    sys.stderr = cast(TextIO, _Sound(sys.stderr))


def any_stdout() -> None:
    """Where descriptor 1 was closed before the process began, what is printed is lost."""
    if sys.stdout is None:
        sys.stdout = _null(1)


class _Worded(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"


def worded_warnings() -> None:
    """What is logged by a verb that keeps no journal reads as it would there: `warning: ...`."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Worded())


def _null(descriptor: int) -> TextIO:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:  # the next file opened must not become this one and be written to as it
        os.dup2(null, descriptor)
        os.close(null)
    return os.fdopen(descriptor, "w", closefd=False)
