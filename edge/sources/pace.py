"""How fast a source delivers. Needs no picture, so that settings can be read without a codec."""

from __future__ import annotations

from enum import Enum


class Pace(Enum):
    """How fast a source that could deliver at any speed delivers.

    LIVE  as a scanner would: by its time stamps, dropping what nobody took in time.
    MAX   as fast as its consumer goes; no frame is dropped and time is the clip's own.
    """

    LIVE = "live"
    MAX = "max"
