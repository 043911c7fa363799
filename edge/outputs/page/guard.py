"""Connections with deadlines. The usual server waits for ever for a request, and for a reader.

Limits: a request's head within `HEADER_S`, nothing unsent for longer than `STALLED_S`, and `CONNECTIONS` at
most, of which those that have not asked for anything make room first.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEADER_S = 5.0
STALLED_S = 2.0
CONNECTIONS = 256


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
        if len(self.connections) > CONNECTIONS:
            idle = [other for other in self.connections if isinstance(other, GuardedHttp) and other.waiting]
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
