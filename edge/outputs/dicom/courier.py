"""Sending in the background, so that nobody waits for a PACS."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edge.outputs.dicom.address import Pacs
from edge.outputs.dicom.outbox import Outbox

_LOG = logging.getLogger(__name__)
_LOOK_AGAIN = 10.0  # seconds between looks at what has become due
_NICE = 10


class Courier:
    """Empties an outbox. `put` and `close` return at once, whatever the PACS does.

    The sending is `sonocart dicom send` in a process of its own: it takes no time from the loop, and it can
    be ended in the middle of anything without losing an object.
    """

    def __init__(self, outbox: Outbox, pacs: Pacs) -> None:
        self._outbox = outbox
        self._command = [sys.executable, "-m", "edge", "dicom", "send", "--due", "--to", str(pacs)]
        self._command += ["--from", pacs.own_title, "--queue", str(outbox.folder)]
        self._wake = threading.Event()
        self._lock = threading.Lock()  # over the two below: a process is started, or the courier is closed
        self._closed = False
        self._process: subprocess.Popen[str] | None = None
        threading.Thread(target=self._run, name="dicom-courier", daemon=True).start()

    def put(self, files: Sequence[Path]) -> list[str]:
        """As `Outbox.put`; what was taken is sent as soon as the PACS answers."""
        uids = self._outbox.put(files)
        self._wake.set()
        return uids

    def close(self) -> None:
        """Stop. What has not been sent stays in the outbox for the next start. Safe to call twice."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                if self._outbox.waiting(time.time()):
                    self._send()
            except OSError as error:
                _LOG.warning("DICOM waits in '%s': %s", self._outbox.folder, error.strerror)
            self._wake.wait(_LOOK_AGAIN)

    def _send(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            with suppress(OSError):  # the service's sandbox forbids it: then it runs as we do
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        _, said = process.communicate()
        if said and not self._closed:
            _LOG.warning("%s", said.strip().splitlines()[-1])
