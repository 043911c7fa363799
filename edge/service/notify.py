"""Tells systemd how the service is: sd_notify's datagrams, and the watchdog that the loop feeds.

The watchdog answers one question: does the loop still turn? So WATCHDOG=1 is sent by the loop itself, as the
last of its outputs, after a picture has been handed to all the others. While no picture comes (cable out,
card gone) restarting would bring none, so a turn of the loop that has told every output "no signal" feeds it.
A loop that hangs in an output, in drawing or anywhere else sends nothing, and systemd restarts the service.
Nothing here is driven by a timer.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress

from edge.contract.frame import Frame
from edge.exam.evidence import NoEstimate
from edge.exam.reading import Reading
from edge.outputs.words import without_times

logger = logging.getLogger(__name__)

BEAT_NS = 250_000_000  # at most so often: a datagram a picture would only cost
RENEW_NS = 10_000_000_000  # a status of which only the seconds have changed is sent again so often


class Notifier:
    """Sends to the socket of `$NOTIFY_SOCKET`; without one every call does nothing. Never waits."""

    def __init__(self, address: str | None):
        """Connect nothing yet; an address that begins with @ is in the abstract name space."""
        self._address = None if not address else "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None

    def send(self, **fields: str | int) -> None:
        """One datagram of `NAME=value` lines; lost where systemd does not take it at once.

        Values are cut to one line: what a decoder says must not become a field of its own.
        """
        if self._socket is None or self._address is None:
            return
        text = "\n".join(f"{name}={' '.join(str(value).split())[:200]}" for name, value in fields.items())
        with suppress(OSError):  # systemd is gone or busy: the picture goes on
            self._socket.sendto(text.encode(errors="replace"), socket.MSG_DONTWAIT, self._address)

    def ready(self, status: str) -> None:
        """The service works."""
        self.send(READY=1, STATUS=status)

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends that."""
        self.send(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def stopping(self) -> None:
        """The service is about to end."""
        self.send(STOPPING=1, STATUS="stopping")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


class Heartbeat:
    """The last of the loop's outputs: feeds the watchdog, and keeps systemd's status line true."""

    def __init__(self, notifier: Notifier):
        """Send by `notifier`."""
        self._notifier = notifier
        self._status = ""  # as it was sent last
        self._sent_ns = 0
        self._beaten_ns = 0

    def present(self, frame: Frame, reading: Reading) -> None:  # noqa: ARG002 - see Output
        """A picture has been shown by everybody before."""
        self._beat(reading)

    def note(self, reading: Reading) -> None:
        """Everybody before has said that there is no picture."""
        self._beat(reading)

    def _beat(self, reading: Reading) -> None:
        estimate, state = reading.shown, reading.state.value
        why = estimate.reason if isinstance(estimate, NoEstimate) else "risk shown"
        status = why if why.startswith(state) else f"{state}; {why}"
        now_ns = time.monotonic_ns()
        another = without_times(status) != without_times(self._status)
        if another or (status != self._status and now_ns - self._sent_ns >= RENEW_NS):
            self._notifier.send(WATCHDOG=1, STATUS=status)
            self._status, self._sent_ns = status, now_ns
            if another:
                logger.info(status)  # each status is a kind of its own for the journal's rate limit
        elif now_ns - self._beaten_ns >= BEAT_NS:
            self._notifier.send(WATCHDOG=1)
        else:
            return
        self._beaten_ns = now_ns
