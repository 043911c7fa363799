"""What the service and systemd say of it, as it comes, with the times of CLOCK_MONOTONIC."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from inside.outcome import LateError
from inside.pulse import be_hardware

PATIENCE_S = 40.0
LIVE = ("live", "probe still")
_STATUS = 'logger=edge.service.notify message="'
_ENDED = ("Main process exited", "Deactivated successfully", "Killing process")
T = TypeVar("T")


def now() -> float:
    """Seconds on the clock of all times here."""
    return time.monotonic()


def wait(question: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """What `question()` answers, as soon as that is true."""
    end = now() + patience_s
    while now() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.02)
    raise LateError(f"{what}: not within {patience_s:.0f} s", patience_s / 4)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the loop has told systemd: the state of the signal, and whether a risk is shown."""

    at: float
    state: str
    shown: bool

    @property
    def live(self) -> bool:
        """A picture comes."""
        return self.state in LIVE


class Journal:
    """Follows the unit's journal from the boot on."""

    def __init__(self) -> None:
        """Start to follow."""
        command = ["journalctl", "-q", "-b", "-f", "-n", "all", "-o", "json", "-u", "sonocart.service"]
        self._entries: list[Entry] = []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")
        threading.Thread(target=self._follow, daemon=True).start()

    def since(self, begin: float) -> list[Entry]:
        """Lines from then on."""
        return [entry for entry in list(self._entries) if entry.at >= begin]

    def statuses(self, begin: float) -> list[Status]:
        """From then on; the end of the process is one that shows nothing."""
        found = []
        for entry in self.since(begin):
            if _STATUS in entry.text:
                words, _, kind = entry.text.partition(_STATUS)[2].rstrip('"').partition("; ")
                state = words.partition(": ")[0]  # what follows says why
                found.append(Status(entry.at, state, kind == "risk shown"))
            elif entry.text.startswith("sonocart.service: ") and any(word in entry.text for word in _ENDED):
                found.append(Status(entry.at, "ended", shown=False))
        return found

    def now(self) -> Status | None:
        """The newest."""
        return next(iter(self.statuses(0)[::-1]), None)

    def calm(self) -> bool:
        """No line has come so often of late that the next is kept back: of one kind 5 in 10 s are logged."""
        lines = Counter(entry.text.partition(" suppressed=")[0] for entry in self.since(now() - 11.0))
        return max(lines.values(), default=0) <= 3

    def first(self, begin: float, wanted: Callable[[Status], bool], what: str) -> Status:
        """The first status from `begin` on that is as wanted, which is waited for."""
        try:
            return wait(lambda: next((one for one in self.statuses(begin) if wanted(one)), None), what)
        except LateError as failure:
            seen = [
                f"{one.at - begin:.1f} s {one.state}{' with risk' * one.shown}"
                for one in self.statuses(begin)
            ]
            text = f"{failure}; seen since: {', '.join(seen[-6:]) or 'nothing'}"
            raise LateError(text, failure.still_s) from None

    def says(self, begin: float, text: str, patience_s: float = PATIENCE_S) -> Entry:
        """The first line from `begin` on that holds `text`, which is waited for."""
        return wait(
            lambda: next((one for one in self.since(begin) if text in one.text), None),
            f"the journal's '{text}'",
            patience_s,
        )

    def _follow(self) -> None:
        be_hardware()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            entry = json.loads(line)
            message = entry.get("MESSAGE")
            if isinstance(message, str):
                self._entries.append(Entry(int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, message))
