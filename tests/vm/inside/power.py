"""The power is cut, or the kernel hangs: rows 25 and 28. What runs before it, and what is left after."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from inside.outcome import FailedError, Outcome
from inside.scanner import Scanner
from inside.service import HOME, PYTHON, SETTINGS, Service, sh
from inside.storage import playable


def after_power_cut(service: Service, _: Scanner) -> Outcome:
    """What is left of a recording when the power has gone."""
    seen = playable()
    service.configure()
    live = service.start()
    service.steady()
    return Outcome(f"booted, live, {seen}", None, live)


NEW = SETTINGS.replace("always = false", "always = false  # " + "new " * 2000)
WRITER = """
import sys
from pathlib import Path
from edge.atomic import new_file
path, texts = Path(sys.argv[1]), sys.argv[2:]
print("writing", flush=True)
while True:
    for text in texts:
        with new_file(path) as partial:
            partial.write_text(text)
"""


def after_cut_while_writing(service: Service, _: Scanner) -> Outcome:
    """What was being replaced is old or new, whole, and the audit log's chain holds."""
    found = Path(HOME / "written.toml").read_text()
    if found not in (SETTINGS, NEW):
        raise FailedError(f"torn: {len(found)} characters, {found[:80]!r}")
    sh(f"sonocart audit verify {HOME}/audit.jsonl")
    for name in ("profiles.json",):
        if (HOME / name).exists():
            json.loads((HOME / name).read_text())
    live = service.start()
    service.steady()
    return Outcome(f"{'old' if found == SETTINGS else 'new'} and whole; audit log whole", None, live)


def replace_for_ever(service: Service, _: Scanner) -> Outcome:
    """A file is replaced all the time, as settings are, while the service starts and writes its audit."""
    service.configure()
    (HOME / "written.toml").write_text(SETTINGS)
    script = Path("/run/writer.py")
    script.write_text(WRITER)
    command = [PYTHON, str(script), str(HOME / "written.toml"), SETTINGS, NEW]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    sh("systemctl restart --no-block sonocart")
    time.sleep(3)
    return Outcome("being written")


def idle(service: Service, _: Scanner) -> Outcome:
    """Nothing but a live picture, and a systemd that feeds the watchdog."""
    service.restart()
    time.sleep(2)
    return Outcome("live")


def after_reset(service: Service, _: Scanner) -> Outcome:
    live = service.start()
    service.steady()
    return Outcome("reset by the watchdog, live again", None, live)
