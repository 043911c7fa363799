"""Keeps other sites' pages out: the names that the page answers to, and who may post or connect to it."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from edge.outputs.page.answers import plain


class SameSite:
    """Refuses requests for another host name (DNS rebinding) and connections from other sites' pages."""

    def __init__(self, app: ASGIApp, hosts: set[str]):
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(1008)  # before accepting: HTTP 403
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = HTTPConnection(scope).headers
        origin = headers.get("origin")
        if headers.get("host", "").lower() not in self._hosts:
            return plain("unknown host", 421)
        # Another site's page may link here; it may not have pictures and streams in itself.
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if foreign and headers.get("sec-fetch-mode") != "navigate":
            return plain("foreign page", 403)
        if origin is None:
            # A script with a token is no browser; a browser always names the page that posts or connects.
            needed = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
            return plain("origin missing", 403) if needed and "authorization" not in headers else None
        secure = scope["scheme"] in ("https", "wss")
        own = {f"{'https' if secure else 'http'}://{host}" for host in self._hosts}
        return None if origin.lower() in own else plain("foreign origin", 403)
