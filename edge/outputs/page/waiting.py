"""Waiting with a deadline by a timer alone: `asyncio.wait_for` makes a task each time, for each viewer."""

from __future__ import annotations

import asyncio


async def settled(future: asyncio.Future[bool], patience_s: float) -> bool:
    """What `future` is given, or False when the time is over."""
    timer = future.get_loop().call_later(patience_s, wake, future, False)
    try:
        return await future
    finally:
        timer.cancel()


def wake(future: asyncio.Future[bool], news: bool = True) -> None:
    """Give `future` its result unless it has one."""
    if not future.done():
        future.set_result(news)


class Receipt:
    """Whether a viewer has taken what it was sent last."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self._given = False
        self._waiting: asyncio.Future[bool] | None = None

    def expect(self) -> None:
        """Something is sent now; what was said before does not count."""
        self._given = False

    def give(self) -> None:
        """It has been taken."""
        self._given = True
        if self._waiting is not None:
            wake(self._waiting)

    async def given(self, patience_s: float) -> bool:
        """Wait for it; False if it does not come in time."""
        if not self._given:
            self._waiting = asyncio.get_running_loop().create_future()
            await settled(self._waiting, patience_s)
            self._waiting = None
        return self._given
