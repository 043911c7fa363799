"""Who else has a device open, for the message that says it is busy."""

from __future__ import annotations

import os
from pathlib import Path


def holders(path: str, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Other processes that hold `path` open, as "name (pid N)"; only those that this user may look at."""
    node = os.path.realpath(path)
    found = []
    for process in sorted(proc.glob("[0-9]*"), key=lambda entry: int(entry.name)):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(link) == node for link in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return tuple(found)
