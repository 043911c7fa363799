"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: it is.
        good: nothing has to be done.
        found: how it is, in words.
        fix: what to run or to do; empty where it is good.
    """

    what: str
    good: bool
    found: str
    fix: str = ""
