"""The wall clock dates what people read; nothing is ordered, named or timed by it, for it may be wrong."""

from __future__ import annotations

import time

_OLDEST = 1_767_225_600  # 2026-01-01: a clock before that has lost its battery


def wrong_clock() -> str:
    """What an impossible wall clock says; empty where it can be right."""
    now = time.time()
    return "" if now >= _OLDEST else time.strftime("%Y-%m-%d %H:%M", time.gmtime(now))
