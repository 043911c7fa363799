"""Connections with deadlines. The usual server waits for ever for a request, and for a reader.

Limits: a request's head within `HEADER_S`, nothing unsent for longer than `STALLED_S`, and `CONNECTIONS` at
most, of which those that have not asked for anything make room first. As many again may be at the beginning,
which TLS makes long.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEADER_S = 5.0
STALLED_S = 2.0
CONNECTIONS = 256

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_AGAIN_S = 0.5  # asyncio accepts again after a second


class Listener(socket.socket):
    """Accepts, and lets go of the oldest of too many that have come no further than that, as in TLS."""

    def __init__(self, family: int):
        super().__init__(family, socket.SOCK_STREAM)
        self.taken: Callable[[], set[int]] = set  # descriptors that have come further
        self._begun: list[weakref.ref[socket.socket]] = []
        self._exhausted_s = -_AGAIN_S

    def accept(self) -> tuple[socket.socket, Any]:
        """See socket. Without a free descriptor asyncio tries and logs 2049 times a second; here once."""
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            now = time.monotonic()
            if now - self._exhausted_s < _AGAIN_S:
                raise BlockingIOError(error.errno, error.strerror) from error
            self._exhausted_s = now
            raise
        self._begun.append(weakref.ref(connection))
        if len(self._begun) > CONNECTIONS:
            taken = self.taken()
            begun = [(ref, one) for ref in self._begun if (one := ref()) is not None]
            begun = [(ref, one) for ref, one in begun if one.fileno() >= 0 and one.fileno() not in taken]
            for _, one in begun[:-CONNECTIONS]:
                with suppress(OSError):  # it has gone by itself
                    one.shutdown(socket.SHUT_RDWR)  # the server sees that it has gone, and closes it
            self._begun = [ref for ref, _ in begun[-CONNECTIONS:]]
        return connection, address


class GuardedServer(uvicorn.Server):
    """Waits no longer for TLS to begin than for a request; the usual server does so for a minute."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn, which passes no deadline on."""
        for listener in sockets or ():
            if isinstance(listener, Listener):
                listener.taken = self._taken
        if self.config.ssl is not None:
            loop = asyncio.get_running_loop()
            create = partial(loop.create_server, ssl_handshake_timeout=HEADER_S)
            loop.create_server = create  # type: ignore[method-assign]
        await super().startup(sockets)

    def _taken(self) -> set[int]:
        """Descriptors of connections that can ask."""
        transports = (getattr(one, "transport", None) for one in self.server_state.connections)
        sockets = (one.get_extra_info("socket") for one in transports if one is not None)
        return {one.fileno() for one in sockets if one is not None}


class GuardedHttp(H11Protocol):
    """HTTP/1.1 that lets go of whoever says nothing or takes nothing."""

    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    since = 0.0

    @property
    def waiting(self) -> bool:
        """No request is being answered here."""
        return self._waiting is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio. The one that has waited longest goes when there are too many."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._await_request()
        there = [one for one in self.connections if not one.transport.is_closing()]
        if len(there) > CONNECTIONS:
            idle = [other for other in there if isinstance(other, GuardedHttp) and other.waiting]
            min(idle, key=lambda other: other.since).transport.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """The next request's head has to come in time too, whatever dribbles in before it."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before:
            self._await_request()

    def handle_websocket_upgrade(self, event: object) -> None:
        """See uvicorn; from here on the other protocol watches."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        """More lies unsent than one picture may hold."""
        self.flow.pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has been taken."""
        self.flow.resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._stop_waiting()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(HEADER_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class GuardedSocket(WebSocketsSansIOProtocol):
    """A WebSocket that lets go of whoever takes nothing."""

    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """See `GuardedHttp`."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See `GuardedHttp`."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)
