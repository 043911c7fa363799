"""Wrong configurations, models and ports, and a clock that jumps: rows 21, 32, 45, 46 and 48."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from io import BufferedReader
from pathlib import Path

from inside import card, signals
from inside.journal import now, wait
from inside.outcome import FailedError, LateError, Outcome
from inside.scanner import Scanner
from inside.service import CONFIG, HOME, SETTINGS, Service, sh

MODEL = HOME / "bundle/model.onnx"


def clock(service: Service, _: Scanner) -> Outcome:
    def jump() -> None:
        for step in (86400, -2 * 86400, 86400):
            time.clock_settime(time.CLOCK_REALTIME, time.time() + step)
            time.sleep(1)

    return service.goes_on(jump)


def bad_reload(service: Service, _: Scanner) -> Outcome:
    service.steady()
    begin, before = now(), service.pid()
    service.configure("[modl]\n")
    sh("systemctl reload sonocart")
    service.journal.says(begin, "the old configuration stays")
    service.configure()
    sh("systemctl reload sonocart")
    service.journal.says(begin, "configuration read again")
    if service.pid() != before:
        raise FailedError("another process")
    if any(not one.shown for one in service.journal.statuses(begin)):
        raise LateError("the picture or its risk was disturbed")
    return Outcome("the old one stays, risk shown throughout")


def bad_start(service: Service, _: Scanner) -> Outcome:
    return service.refuses(
        lambda: CONFIG.write_text("[source]\nadress = 1\n"), lambda: CONFIG.write_text(SETTINGS), 78
    )


def flipped(service: Service, _: Scanner) -> Outcome:
    good = MODEL.read_bytes()
    return service.refuses(lambda: MODEL.write_bytes(_flipped(good)), lambda: MODEL.write_bytes(good), 77)


def last_good(service: Service, _: Scanner) -> Outcome:
    """A damaged model, where a copy of the last good one is kept."""
    service.configure(SETTINGS.replace("[model]", f'[model]\nlast_good = "{HOME}/last-good"'))
    service.restart()
    good = MODEL.read_bytes()
    begin = now()
    MODEL.write_bytes(_flipped(good))
    try:
        sh("systemctl restart sonocart")
        live = service.live_after(begin)
        said = service.journal.says(begin, "running the last good bundle")
    finally:
        MODEL.write_bytes(good)
        service.configure()
        sh("systemctl restart sonocart")
    service.live_after(said.at)
    return Outcome("runs the last good one, and says so", None, live - begin)


def _flipped(data: bytes) -> bytes:
    bad = bytearray(data)
    bad[len(bad) // 2] ^= 1
    return bytes(bad)


def port(service: Service, _: Scanner) -> Outcome:
    return _waits(service, lambda: socket.create_server(("127.0.0.1", 8765)), "127.0.0.1:8765")


def busy(service: Service, _: Scanner) -> Outcome:
    """Another program has the card; whose it is the service may not see."""
    return _waits(service, lambda: os.fdopen(card.seize(), "rb"), "is in use by")


def _waits(service: Service, take: Callable[[], socket.socket | BufferedReader], words: str) -> Outcome:
    """Started while something is taken it ends with 75 and `words`, again and again until it is closed."""
    service.steady()
    sh("systemctl stop sonocart")
    with closing(take()):
        begin = now()
        sh("systemctl start --no-block sonocart")
        wait(lambda: int(service.show("NRestarts")) >= 2, "two more tries")
        code = service.show("ExecMainStatus")
    healed = now()
    live = service.live_after(healed) - healed
    why = next((one.text for one in service.journal.since(begin) if words in one.text), "")
    if code not in ("75", "0") or not why:
        raise FailedError(f"exit {code}, said {why!r}")
    return Outcome("exit 75 and tried again until it was free", None, live)


def bound(service: Service, scanner: Scanner) -> Outcome:
    """With the optional drop-in, unplugging stops the unit and plugging starts it."""
    service.steady()
    folder = Path("/etc/systemd/system/sonocart.service.d")
    folder.mkdir(exist_ok=True)
    drop = folder / "card.conf"
    drop.write_text(Path("/usr/share/sonocart/card-bound.conf").read_text())
    sh("systemctl daemon-reload")
    service.restart()
    begin = now()
    card.pull()
    scanner.stop()
    try:
        wait(lambda: service.show("ActiveState") in ("inactive", "failed"), "the end of the unit")
        gone = service.withheld_after(begin) - begin
        healed = signals.plug(scanner)
        live = service.live_after(healed) - healed
    finally:
        drop.unlink()
        sh("systemctl daemon-reload")
    return Outcome("stopped, and started by the card", gone, live)
