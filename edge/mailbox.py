"""A slot for one thing between two threads. The newest replaces one that nobody took."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot, one writer, one reader."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many things were replaced before anybody took them."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """True once the writer has closed it and the last thing has been taken."""
        with self._condition:
            return self._closed and self._item is None

    def put(self, item: T) -> None:
        """Leave `item` without waiting; what still lies there, or comes too late, is dropped and counted."""
        with self._condition:
            self._dropped += self._item is not None or self._closed
            self._item = None if self._closed else item
            self._condition.notify_all()

    def put_when_empty(self, item: T) -> bool:
        """Leave `item` once the slot is empty, so that nothing is dropped. False if closed meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is None or self._closed)
            if self._closed:
                return False
            self._item = item
            self._condition.notify_all()
            return True

    def take(self, timeout: float | None) -> T | None:
        """What lies there, waiting up to `timeout` seconds for it; None if nothing came or it is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            self._condition.notify_all()
            return item

    def close(self) -> None:
        """The writer has no more. Whoever waits is woken; what lies there can still be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def abandon(self) -> None:
        """The reader wants no more: what lies there, or is put from now on, is dropped and counted."""
        with self._condition:
            self._closed = True
            self._dropped += self._item is not None
            self._item = None
            self._condition.notify_all()
