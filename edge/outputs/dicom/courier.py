"""Sending in the background, so that nobody waits for a PACS."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from edge.errors import SonocartError
from edge.outputs.dicom.outbox import Outbox
from edge.outputs.dicom.pacs import Connection, Pacs

_LOG = logging.getLogger(__name__)
_LOOK_AGAIN = 10.0  # seconds between looks at what has become due


class Courier:
    """A thread that empties an outbox. `put` and `close` return at once, whatever the PACS does."""

    def __init__(self, outbox: Outbox, pacs: Pacs) -> None:
        self._outbox = outbox
        self._pacs = pacs
        self._wake = threading.Event()
        self._closing = False
        self._connection = Connection(pacs)
        self._thread = threading.Thread(target=self._run, name="dicom-courier", daemon=True)
        self._thread.start()

    def put(self, files: Sequence[Path]) -> list[str]:
        """As `Outbox.put`; what was taken is sent as soon as the PACS answers."""
        uids = self._outbox.put(files)
        self._wake.set()
        return uids

    def close(self) -> None:
        """Stop. What has not been sent stays in the outbox for the next start."""
        self._closing = True
        self._wake.set()
        self._connection.abort()

    def _run(self) -> None:
        while not self._closing:
            self._connection = Connection(self._pacs)
            try:
                tally = self._outbox.send(self._connection, time.time())
            except SonocartError as error:
                _LOG.warning("DICOM: %s", error)
            else:
                if tally.why:
                    _LOG.warning("DICOM: %d waiting, %d refused: %s", tally.waiting, tally.refused, tally.why)
            self._wake.wait(_LOOK_AGAIN)
            self._wake.clear()
