"""How often a picture goes out, so that all viewers together get no more bytes a second than they may.

Every viewer gets the same pictures, so each has an equal share. A picture that comes too early is left out,
never kept: what goes out is the newest. Where even the slowest pace would be too much, pictures get smaller.
"""

from __future__ import annotations

from collections import deque

MEGABITS = 400.0
"""Half of what a gigabit line carries, or the full rate for six viewers at 1080p."""

QUALITY = 80  # of the JPEG, where nothing forbids it
LEAST_QUALITY = 30
SLOWEST_NS = 400_000_000
"""Between two pictures at most, whatever they take: the page greys itself out at a second."""

_STEP = 10  # of quality; it changes the size by less than half, so that it does not swing
_SEEN_NS = 2_000_000_000


class Pace:
    """`open` is asked before a picture is encoded, `spend` told what it took. Times are CLOCK_MONOTONIC."""

    def __init__(self, megabits: float = MEGABITS):
        """`megabits` a second for all viewers together."""
        self.quality = QUALITY
        self.rate = 0.0  # pictures a second that each viewer gets, over the last two seconds
        self._ns_a_byte = 8e3 / megabits
        self._due_ns = 0
        self._meaning: object = None
        self._gone: deque[int] = deque()

    def open(self, now_ns: int, meaning: object) -> bool:
        """True if a picture may go out; one with another `meaning` than the last always may."""
        if now_ns < self._due_ns and meaning == self._meaning:
            return False
        self._meaning = meaning
        return True

    def spend(self, now_ns: int, size: int) -> None:
        """A picture has gone out; `size` is its bytes to all viewers together."""
        cost_ns = int(size * self._ns_a_byte)
        # One cost late counts as in time, so that pictures that come in steps reach the whole rate.
        self._due_ns = min(max(self._due_ns, now_ns - cost_ns) + cost_ns, now_ns + SLOWEST_NS)
        if cost_ns > SLOWEST_NS:
            self.quality = max(LEAST_QUALITY, self.quality - _STEP)
        elif cost_ns < SLOWEST_NS // 2:
            self.quality = min(QUALITY, self.quality + _STEP)
        self._gone.append(now_ns)
        while now_ns - self._gone[0] > _SEEN_NS:
            self._gone.popleft()
        passed_ns = now_ns - self._gone[0]
        self.rate = 1e9 * (len(self._gone) - 1) / passed_ns if passed_ns else 0.0
