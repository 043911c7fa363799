"""The service under test: its unit, its configuration, and what it does after a fault and after the cure."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from inside.journal import Journal, Status, now, wait
from inside.outcome import FailedError, LateError, Outcome

CONFIG = Path("/etc/sonocart/sonocart.toml")
HOME = Path("/var/lib/sonocart")
RECORDINGS = HOME / "recordings"
PYTHON = "/opt/sonocart/bin/python3"
SETTINGS = """\
[source]
address = "v4l2:/dev/sonocart/card"
profiles = "/var/lib/sonocart/profiles.json"
[model]
bundle = "/var/lib/sonocart/bundle"
audit = "/var/lib/sonocart/audit.jsonl"
[page]
address = "127.0.0.1:8765"
[recording]
folder = "/var/lib/sonocart/recordings"
always = false
[service]
lock = "/run/sonocart/lock"
"""
RECORDING = SETTINGS.replace("always = false", "always = true")


def sh(command: str, *, check: bool = True) -> str:
    """Standard output of a shell's command, which must succeed."""
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    if check and result.returncode:
        raise FailedError(f"{command}: {result.stderr.strip()[-300:]}")
    return result.stdout.strip()


class Service:
    """What a scenario does with the unit."""

    def __init__(self, journal: Journal) -> None:
        """Watch it by `journal`."""
        self.journal = journal

    def show(self, name: str) -> str:
        """A property of the unit."""
        return sh(f"systemctl show -P {name} sonocart.service")

    def pid(self) -> int:
        """Of the main process, 0 while there is none."""
        return int(self.show("MainPID"))

    def health(self) -> str:
        """The state that the page gives to anybody who asks."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:8765/health", timeout=2) as answer:
                return str(json.load(answer)["state"])
        except urllib.error.HTTPError as answer:
            return str(json.load(answer)["state"])
        except TimeoutError:
            raise LateError("the page does not answer") from None

    def configure(self, text: str = SETTINGS) -> None:
        """Write the configuration; nobody reads it before it is asked to."""
        CONFIG.write_text(text)
        os.sync()

    def steady(self) -> None:
        """Wait until a risk has been shown for a second: only then is there something to withhold."""

        def question() -> bool:
            last = self.journal.now()
            if last is None or now() - last.at <= 1.0:
                return False
            # A line may have been kept back; the status never is.
            return last.shown or (now() - last.at > 3.0 and self.show("StatusText").endswith("risk shown"))

        with suppress(FailedError):
            wait(self.journal.calm, "calm", 12.0)
        try:
            wait(question, "a live picture with its risk")
        except LateError as failure:
            raise LateError(f"{failure}; last: {self.journal.now()}", failure.still_s) from None

    def settle(self) -> None:
        """Wait until the card's last failure is forgotten: each in a row is tried again later."""
        time.sleep(6)

    def start(self) -> float:
        """Start it; seconds until its picture is live."""
        begin = now()
        sh("systemctl reset-failed sonocart; systemctl start sonocart")
        return self.live_after(begin) - begin

    def restart(self) -> None:
        """Start it anew and wait for its risk."""
        begin = now()
        sh("systemctl restart sonocart")
        self.live_after(begin)
        self.steady()

    def live_after(self, begin: float) -> float:
        """When the first live picture since then was shown."""
        return self.journal.first(begin, lambda status: status.live, "a live picture").at

    def withheld_after(self, begin: float) -> float:
        """When the risk went, for the first time since then."""
        return self.journal.first(begin, lambda status: not status.shown, "a withheld risk").at

    def fault_and_cure(
        self, fault: Callable[[], object], cure: Callable[[], object], *states: str
    ) -> Outcome:
        """Provoke, wait for one of the states, cure, wait for the live picture; one process all along."""
        self.steady()
        before = self.pid()
        begin = now()
        fault()
        seen = self.journal.first(begin, lambda status: status.state in states, " or ".join(states))
        self._same_everywhere(seen)
        withheld = self.withheld_after(begin) - begin
        healed = now()
        healed = cure() or healed
        live = self.live_after(healed) - healed
        self.steady()
        self._same_process(before)
        return Outcome(seen.state, withheld, live)

    def goes_on(
        self, fault: Callable[[], float | None], note: Callable[[float], str] | None = None
    ) -> Outcome:
        """A fault that the picture survives or comes back from.

        `fault` answers when the signal was whole again, if it was not all the time; `note` says what else
        was seen.
        """
        self.steady()
        before, begin = self.pid(), now()
        healed = fault()
        ended = now()
        wait(lambda: now() - ended > 2.0, "")
        dark = next((one for one in self.journal.statuses(begin) if not one.live), None)
        gone = next((one for one in self.journal.statuses(begin) if not one.shown), None)
        cured = healed if healed is not None else dark.at if dark is not None else ended
        live = None if dark is None else self.live_after(cured) - cured
        self.steady()
        self._same_process(before)
        words = "live throughout" if dark is None else f"{dark.state}, then live"
        words += f"; {note(begin)}" if note is not None else ""
        return Outcome(words, None if gone is None else max(0.0, gone.at - begin), live)

    def comes_back(self, fault: Callable[[int], object], result: str) -> Outcome:
        """The process ends by the fault; systemd starts another."""
        self.steady()
        before, begin = self.pid(), now()
        fault(before)
        ended = self.journal.first(begin, lambda status: status.state == "ended", "the end of the process").at
        live = self.live_after(ended) - ended
        self.steady()
        if self.pid() == before:
            raise FailedError("it is the same process")
        self.journal.says(begin, f"Failed with result '{result}'")
        return Outcome(f"{result}; another process is live", ended - begin, live)

    def refuses(self, fault: Callable[[], object], cure: Callable[[], object], code: int) -> Outcome:
        """A start that cannot succeed is tried once, says why, and is not repeated."""
        self.steady()
        sh("systemctl stop sonocart")
        try:
            fault()
            begin = now()
            sh("systemctl start sonocart", check=False)
            wait(lambda: self.show("ActiveState") == "failed", "the failed state")
            wait(lambda: now() - begin > 3, "")
            status, tries = self.show("ExecMainStatus"), self.show("NRestarts")
            why = self.journal.says(begin, "sonocart: ").text
        finally:
            cure()
        live = self.start()
        if status != str(code) or tries != "0":
            raise FailedError(f"exit {status}, expected {code}; {tries} restarts; said: {why!r}")
        return Outcome(f"exit {code} once: {why.removeprefix('sonocart: ')[:60]}...", None, live)

    def _same_process(self, before: int) -> None:
        after = self.pid()
        if after != before:
            raise FailedError(f"the service was restarted: process {before} is now {after}")

    def _same_everywhere(self, status: Status) -> None:
        wait(lambda: self.health() == status.state, f"'{status.state}' from the page")
