"""A slot for one thing between two threads. The newest replaces one that nobody took."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot, one writer, one reader; anybody may close it.

    Two bare locks serve as signals: a frame passes four of these slots on its way, and a `Condition` costs
    several times as much at each.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of all below
        self._filled, self._emptied = threading.Lock(), threading.Lock()  # free: look again
        self._item: T | None = None
        self._closed = False
        self._woken = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many things were replaced before anybody took them."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """True once the writer has closed it and the last thing has been taken."""
        with self._lock:
            return self._closed and self._item is None

    def put(self, item: T) -> None:
        """Leave `item` without waiting; what still lies there, or comes too late, is dropped and counted."""
        with self._lock:
            self._dropped += self._item is not None or self._closed
            self._item = None if self._closed else item
            _free(self._filled)

    def put_when_empty(self, item: T) -> bool:
        """Leave `item` once the slot is empty, so that nothing is dropped. False if closed meanwhile."""
        while True:
            with self._lock:
                if self._closed:
                    return False
                if self._item is None:
                    self._item = item
                    _free(self._filled)
                    return True
            self._emptied.acquire()

    def take(self, timeout: float | None) -> T | None:
        """What lies there, waiting up to `timeout` seconds for it; None if nothing came or it was ended."""
        end: float | None = None
        while True:
            with self._lock:
                if self._item is not None or self._closed or self._woken or timeout == 0:
                    item, self._item, self._woken = self._item, None, False
                    _free(self._emptied)
                    return item
            if timeout is None:
                self._filled.acquire()
                continue
            now = time.monotonic()
            end = now + timeout if end is None else end
            if end <= now or not self._filled.acquire(timeout=end - now):
                timeout = 0  # one last look

    def wake(self) -> None:
        """Something else has come for the reader: the `take` under way, or the next one, waits no longer."""
        with self._lock:
            self._woken = True
            _free(self._filled)

    def close(self) -> None:
        """The writer has no more. Whoever waits is woken; what lies there can still be taken."""
        with self._lock:
            self._closed = True
            _free(self._filled)
            _free(self._emptied)

    def abandon(self) -> None:
        """The reader wants no more: what lies there, or is put from now on, is dropped and counted."""
        with self._lock:
            self._closed = True
            self._dropped += self._item is not None
            self._item = None
            _free(self._filled)
            _free(self._emptied)


def _free(signal: threading.Lock) -> None:
    """Wake whoever waits, now or the next time; only with the slot's lock, so that nobody else frees it."""
    if signal.locked():
        signal.release()
