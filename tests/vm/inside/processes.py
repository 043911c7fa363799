"""The daemon and its network's process are killed, hang, or meet a second one: rows 27 to 29."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from inside import card
from inside.journal import LIVE, now, wait
from inside.outcome import FailedError, LateError, Outcome
from inside.scanner import Scanner
from inside.service import Service, sh


def killed(service: Service, _: Scanner) -> Outcome:
    return service.comes_back(lambda pid: os.kill(pid, signal.SIGKILL), "signal")


def crashed(service: Service, _: Scanner) -> Outcome:
    return service.comes_back(lambda pid: os.kill(pid, signal.SIGSEGV), "signal")


def hung(service: Service, _: Scanner) -> Outcome:
    """The watchdog waits as packaged; until then a viewer's page greys itself out."""
    outcome = service.comes_back(lambda pid: os.kill(pid, signal.SIGSTOP), "watchdog")
    return Outcome(f"{outcome.seen}, {outcome.withheld_s:.1f} s after it hung", None, outcome.live_s)


def suspended(service: Service, _: Scanner) -> Outcome:
    """Every process of the unit stands still for a while, as it does in a suspend."""

    asleep = 5.0

    def fault() -> float:
        sh("systemctl freeze sonocart")
        time.sleep(asleep)
        woken = now()
        sh("systemctl thaw sonocart")
        return woken

    outcome = service.goes_on(fault)
    withheld = max(0.0, (outcome.withheld_s or 0.0) - asleep)  # nobody can withhold anything meanwhile
    return Outcome(outcome.seen, withheld, outcome.live_s)


def without_descriptors(service: Service, _: Scanner) -> Outcome:
    """The daemon may open nothing more; the page's visitors wait, the picture does not."""

    def answered() -> bool:
        with suppress(OSError, LateError):
            return service.health() in LIVE
        return False

    def fault() -> None:
        pid = service.pid()
        used = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
        sh(f"prlimit --pid {pid} --nofile={used}:")
        answered()
        time.sleep(2)
        sh(f"prlimit --pid {pid} --nofile=4096:")
        wait(answered, "an answer of the page")

    return service.goes_on(fault)


def journal_hangs(service: Service, _: Scanner) -> Outcome:
    """Nobody takes the service's lines for a while, of which a card that fails makes many."""
    service.steady()
    before = service.pid()
    sh("systemctl kill -s STOP systemd-journald")
    try:
        states = set()
        for _second in range(4):
            card.control(inject_v4l2_buf_flag_error=1)
            time.sleep(1)
            states.add(service.health())
    finally:
        sh("systemctl kill -s CONT systemd-journald")
    service.steady()
    if service.pid() != before:
        raise FailedError(f"process {before} is now {service.pid()}")
    if not states <= set(LIVE):
        raise LateError(f"meanwhile {', '.join(sorted(states))}")
    return Outcome("live throughout")


def second(service: Service, _: Scanner) -> Outcome:
    service.steady()
    result = subprocess.run("sonocart run", shell=True, capture_output=True, text=True)
    if result.returncode != 75 or f"pid {service.pid()} " not in result.stderr:
        raise FailedError(f"exit {result.returncode}: {result.stderr[-200:]}")
    service.steady()
    return Outcome("exit 75 with the pid of the first")


def network_killed(service: Service, _: Scanner) -> Outcome:
    return _without_network(service, signal.SIGKILL)


def network_hangs(service: Service, _: Scanner) -> Outcome:
    return _without_network(service, signal.SIGSTOP)


def _without_network(service: Service, number: signal.Signals) -> Outcome:
    """The picture goes on, the risk goes, and comes back with another process for the network."""
    service.steady()
    before = service.pid()
    children = sh(f"pgrep -P {before} -f edge.engines.process").split()
    if len(children) != 1:
        raise FailedError(f"the network's processes are {children}")
    begin = now()
    os.kill(int(children[0]), number)
    gone = service.withheld_after(begin)
    back = service.journal.first(gone, lambda status: status.shown, "a risk from another process").at
    service.steady()
    if any(not status.live for status in service.journal.statuses(begin)):
        raise LateError("the picture was lost")
    if service.pid() != before or Path(f"/proc/{children[0]}").exists():
        raise FailedError("the daemon was restarted, or the old process is still there")
    return Outcome(f"picture live throughout; risk again {back - gone:.1f} s later", gone - begin)
