"""Who comes first where there are fewer cores than work: the picture, before the network and what is kept.

A thread of ordinary priority that wakes waits until what runs has had its turn, some milliseconds whatever
its niceness; one of real-time priority does not. As Linux is set up, all others keep a twentieth of the time.
It does not help a thread that waits for Python's own lock: whoever holds that keeps his priority, so he is
asked for it sooner than Python would.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PICTURE = 2  # takes, judges, draws and presents it
VIEWERS = 1  # encodes it for those who look on

_TURN_S = 1e-4  # of a thread that computes in Python while others wait; 5e-3 otherwise

logger = logging.getLogger(__name__)


@contextmanager
def urgent(rank: int | None) -> Iterator[None]:
    """Within the block this thread comes before all of a lower rank, where the system allows it.

    What it starts there inherits neither that nor a niceness below zero. Allowed are root, and whoever has
    LimitRTPRIO; for anybody else the block runs as it would without, and the log says so.

    Args:
        rank: `PICTURE` or `VIEWERS`: a real-time priority, 1 the lowest. None changes nothing: of a file that
            is played as fast as it goes nobody waits for a picture.
    """
    if rank is None:
        yield
        return
    try:
        policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(rank))
    except OSError as error:
        logger.info("no real-time priority for the picture: %s", error)
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # only root may take that flag back
            os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, priority)


@contextmanager
def short_turns() -> Iterator[None]:
    """Within the block no thread of this process computes in Python for long while others wait for it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
