"""The package is installed, upgraded and purged on the running system."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from inside import card, signals
from inside.journal import now, wait
from inside.outcome import FailedError, Outcome
from inside.scanner import Scanner
from inside.service import HOME, RECORDINGS, Service, sh

SHARE = Path(__file__).parents[1]


def installed(service: Service, scanner: Scanner) -> Outcome:
    """As the README has it: the package, a bundle, the doctor, the service."""
    sh(f"dpkg -i {SHARE}/sonocart.deb")
    if service.show("ActiveState") != "inactive":
        raise FailedError(f"the service is {service.show('ActiveState')} without a model")
    sh("udevadm trigger --subsystem-match=video4linux --action=add; udevadm settle")
    shutil.copytree(SHARE / "bundle", HOME / "bundle", dirs_exist_ok=True)
    sh(f"chown -R sonocart:sonocart {HOME}")
    scanner.start()
    service.configure()
    live = service.start()
    service.steady()
    return Outcome("live, risk shown", None, live)


def asked(service: Service, scanner: Scanner) -> Outcome:
    """`sonocart doctor` and `devices` beside the service that runs, and with all that can be missing."""
    service.steady()
    doctor = "setpriv --reuid sonocart --regid sonocart --init-groups sonocart doctor"
    pid, healthy, cards = service.pid(), sh(doctor, check=False), sh("sonocart devices")
    card.pull()
    scanner.stop()
    sh(f"systemctl stop sonocart; mv {HOME}/bundle {HOME}/away")
    try:
        with socket.create_server(("127.0.0.1", 8765)):
            ill, none = sh(doctor, check=False), sh("sonocart devices 2>&1", check=False)
    finally:
        sh(f"mv {HOME}/away {HOME}/bundle")
        signals.plug(scanner)
        service.start()
    expected = {
        "nothing is missing": healthy,
        "a signal arrives": healthy,
        f"in use by sonocart (pid {pid})": cards,
        "receives a signal (640x480p at 59.94 Hz)": cards,
        "no capture card found": none,
        "fix: copy a good bundle": ill,
        "fix: plug the card in": ill,
        "fix: find who has it": ill,
        "3 of 7 checks failed": ill,
    }
    lacking = [f"{words!r} in {text}" for words, text in expected.items() if words not in text]
    if lacking:
        raise FailedError("; ".join(lacking))
    return Outcome("nothing is missing; then three faults at once, each with its fix")


def upgraded(service: Service, _: Scanner) -> Outcome:
    service.steady()
    before, begin = service.pid(), now()
    config = sh("cat /etc/sonocart/sonocart.toml")
    sh(f"dpkg -i --force-confold {SHARE}/sonocart-next.deb")
    wait(lambda: service.pid() not in (0, before), "another process")
    ended = service.journal.first(begin, lambda one: one.state == "ended", "the end of the old one").at
    live = service.live_after(ended)
    service.steady()
    version = sh("dpkg-query -W -f '${Version}' sonocart")
    if not version.endswith("+next") or sh("cat /etc/sonocart/sonocart.toml") != config:
        raise FailedError(f"version {version}, or another configuration")
    return Outcome(f"{version} is live, configuration kept", None, live - ended)


def purged(service: Service, _: Scanner) -> Outcome:
    kept = RECORDINGS / "000001"
    kept.mkdir(parents=True, exist_ok=True)
    sh("dpkg -P sonocart")
    left = [place for place in ("/etc/sonocart", "/opt/sonocart", "/run/sonocart") if Path(place).exists()]
    if left or service.show("LoadState") != "not-found" or not kept.exists():
        raise FailedError(f"left: {left}, unit {service.show('LoadState')}, recordings {kept.exists()}")
    return Outcome("gone; recordings kept")
