"""The page's web server: Starlette on uvicorn, in a thread of its own, loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.contract.roi import Roi
from edge.errors import BusyError, SonocartError, UsageError
from edge.outputs.page.hub import Hub

STALE_S = 1.0
READY = "next"
MAX_VIEWERS = 64
_ACK_S = 2.0  # a viewer that has not taken a picture after this long is let go
_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT` on this machine only.

    Raises:
        UsageError: not an address, or one that other machines can reach.
    """
    host, separator, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not separator or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise UsageError(f"'{text}' is no address for the page; expected HOST:PORT such as 127.0.0.1:8080")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"the page shows patient pictures without a password, so it is served on loopback only, not on "
            f"'{host}'. Use 127.0.0.1:{port}, and an SSH tunnel from elsewhere"
        )
    return host, int(port)


class PageServer:
    """Serves a hub until `close`."""

    def __init__(self, host: str, port: int, hub: Hub):
        """Bind at once, so that a port in use is known before anything starts. Port 0 takes a free one.

        Raises:
            BusyError: the port is in use.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise BusyError(
                f"the page cannot use {host}:{port}: {error.strerror}. "
                "End the other program or give another port with --page"
            ) from error
        self.port = int(self._socket.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/"
        config = uvicorn.Config(
            build_app(hub, {f"{shown}:{self.port}", f"localhost:{self.port}"}),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws_max_size=4096,
            ws_max_queue=4,
            ws_per_message_deflate=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            limit_concurrency=4 * MAX_VIEWERS,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Let the viewers go and stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def build_app(hub: Hub, hosts: set[str]) -> Starlette:
    """The application; `hosts` are the Host headers that it answers to."""

    async def index(_: Request) -> Response:
        return Response((_STATIC / "index.html").read_bytes(), media_type="text/html", headers=_HEADERS)

    async def health(_: Request) -> Response:
        age = time.monotonic() - hub.presented_s if hub.status is not None else None
        live = age is not None and age < STALE_S
        body = {"live": live, "picture_age_s": age, "viewers": hub.viewers, "status": hub.status}
        return Response(
            msgspec.json.encode(body), 200 if live else 503, media_type="application/json", headers=_HEADERS
        )

    async def live(viewer: WebSocket) -> None:
        if hub.viewers >= MAX_VIEWERS:
            await viewer.close(1013)
            return
        await viewer.accept()
        await hub.join()
        try:
            await _serve_viewer(viewer, hub)
        finally:
            hub.leave()

    routes = [
        Route("/", index),
        Route("/health", health),
        WebSocketRoute("/live", live),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_SameSite, hosts=hosts)])


async def _serve_viewer(viewer: WebSocket, hub: Hub) -> None:
    """Newest picture, then wait until it was taken: whatever buffers lie between, none holds old pictures."""
    number = 0
    with contextlib.suppress(WebSocketDisconnect, asyncio.TimeoutError):
        while True:
            try:
                picture = await asyncio.wait_for(hub.next(number), STALE_S / 2)
            except asyncio.TimeoutError:  # no new picture: say so, and find out whether the viewer is there
                await viewer.send_text(msgspec.json.encode(hub.status).decode())
                await viewer.send_bytes(b"")
            else:
                number = picture.number
                await viewer.send_text(picture.status.decode())
                await viewer.send_bytes(picture.jpeg)
            await asyncio.wait_for(_hear(viewer, hub), _ACK_S)


async def _hear(viewer: WebSocket, hub: Hub) -> None:
    """Carry out what the viewer asks for until it is ready for the next picture."""
    while (message := await viewer.receive_text()) != READY:
        status = hub.status
        if status is None:
            continue
        try:
            hub.desk.follow(message, Roi(0, 0, status.width, status.height))
        except SonocartError as error:
            await viewer.send_text(msgspec.json.encode({"error": str(error)}).decode())


class _SameSite:
    """Refuses requests for another host name (DNS rebinding) and connections from other sites' pages."""

    def __init__(self, app: ASGIApp, hosts: set[str]):
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = HTTPConnection(scope).headers
            origin = headers.get("origin")
            refusal = None
            if headers.get("host", "") not in self._hosts:
                refusal = PlainTextResponse("unknown host\n", 421)
            elif origin is not None and urlsplit(origin).netloc not in self._hosts:
                refusal = PlainTextResponse("foreign origin\n", 403)
            elif origin is None and scope["type"] == "websocket":
                refusal = PlainTextResponse("origin missing\n", 403)
            if refusal is not None:
                if scope["type"] == "websocket":
                    await WebSocket(scope, receive, send).close(1008)  # before accepting: HTTP 403
                else:
                    await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
