"""What the page's server answers: the application behind `edge.outputs.page.server`.

Messages of /live: the viewer says "next" when it has taken what came, so that whatever buffers lie between
hold one picture at most; the server sends pictures as `hub.Picture.message` (binary), and in text a hello,
errors, a status without a picture, or for how long the loop has said nothing at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from functools import lru_cache
from html import escape
from io import BytesIO
from pathlib import Path

import msgspec
from PIL import Image, ImageDraw, ImageFont
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.contract.roi import Roi
from edge.errors import SonocartError
from edge.outputs.metrics import Metrics
from edge.outputs.page.access import COOKIE, WAYS, Role, cookie_of, role_of
from edge.outputs.page.hub import STALE_S, Hub, View
from edge.outputs.page.kept import change, download, listed
from edge.outputs.page.serving import Serving

READY = "next"
LARGEST_BODY = 4096  # bytes
ORDERS_A_SECOND = 60
_ACK_S = 2.0  # a viewer that has not taken a picture after this long is let go
_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def build_app(hub: Hub, metrics: Metrics, serving: Serving, hosts: set[str]) -> Starlette:
    """The application; `hosts` are the Host headers that it answers to."""
    site = _Site(hub, metrics, serving)
    answers: dict[tuple[str, str], Callable[..., Awaitable[Response | None]]] = {
        ("GET", "/"): site.index,
        ("GET", "/static/{name}"): site.asset,
        ("GET", "/health"): site.health,
        ("GET", "/role"): site.role,
        ("POST", "/login"): site.login,
        ("WS", "/live"): site.live,
        ("GET", "/stream.mjpg"): site.stream,
        ("GET", "/past"): site.past,
        ("GET", "/past/{number:int}.jpg"): site.past_picture,
        ("GET", "/best/{number:int}.jpg"): site.best_picture,
        ("GET", "/events"): site.events,
        ("GET", "/metrics"): site.metrics,
        ("GET", "/snapshot.jpg"): site.snapshot,
        ("POST", "/order"): site.order,
        ("GET", "/recordings"): site.recordings,
        ("GET", "/recordings/list"): site.recordings_list,
        ("GET", "/recordings/{clip}/{part}"): site.recording,
        ("POST", "/recordings"): site.change_recording,
    }
    routes = [
        _route(method, path, role, answers[method, path], serving) for (method, path), role in WAYS.items()
    ]
    return Starlette(routes=routes, middleware=[Middleware(_SameSite, hosts=hosts)])


def _route(
    method: str, path: str, role: Role, answer: Callable[..., Awaitable[Response | None]], serving: Serving
) -> BaseRoute:
    """A way in that is closed to those below `role`."""

    async def http(request: Request) -> Response:
        if role_of(request.headers, serving.tokens) < role:
            return _plain(f"this needs the {role.name.lower()}'s token", 403)
        response = await answer(request)
        assert response is not None
        return response

    async def socket(viewer: WebSocket) -> None:
        if role_of(viewer.headers, serving.tokens) < role:
            await viewer.close(1008)  # before accepting: HTTP 403
            return
        await answer(viewer)

    return WebSocketRoute(path, socket) if method == "WS" else Route(path, http, methods=[method])


class _Site:
    """The endpoints."""

    def __init__(self, hub: Hub, metrics: Metrics, serving: Serving):
        self._hub = hub
        self._metrics = metrics
        self._serving = serving
        self._assets = {path.name: path.read_bytes() for path in _STATIC.iterdir()}

    async def index(self, _: Request) -> Response:
        return _answer(self._assets["index.html"], "text/html")

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._assets:
            return _plain("no such file", 404)
        return _answer(self._assets[name], _TYPES[Path(name).suffix])

    async def role(self, request: Request) -> Response:
        role = role_of(request.headers, self._serving.tokens)
        return _json({"role": role.name.lower(), "tokens": self._serving.tokens is not None})

    async def login(self, request: Request) -> Response:
        """Exchange a token for a cookie that scripts cannot read and other sites cannot send."""
        tokens = self._serving.tokens
        token = (await _body(request)).decode("utf-8", "replace").strip()
        if tokens is None or tokens.role(token) is Role.ANYBODY:
            return _plain("this token is not known here", 403)
        response = _json({"role": tokens.role(token).name.lower()})
        response.set_cookie(
            COOKIE, cookie_of(token), httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return response

    async def health(self, request: Request) -> Response:
        """200 while pictures come, else 503; never a risk, since anybody may ask."""
        status = self._hub.status
        age = None if status is None else time.monotonic() - self._hub.presented_s
        live = age is not None and age < STALE_S
        answering = self._hub.silent_s < STALE_S
        if not answering:
            state = "the loop does not answer" if status is not None else "starting"
        else:
            state = "no picture yet" if status is None else status.record.state
        body: dict[str, object] = {
            "live": live,
            "state": state,
            "picture_age_s": None if age is None else round(age, 3),
            "loop_answers": answering,
            "viewers": self._hub.viewers,
            **self._hub.identity(),
        }
        code = 200 if live else 503
        if "text/html" in request.headers.get("accept", ""):
            return _answer(_health_page(body).encode(), "text/html", code)
        return _json(body, code)

    async def metrics(self, _: Request) -> Response:
        text = self._metrics.exposition(self._hub.viewers)
        return _answer(text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def events(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        number = int(after) if after.isdecimal() and len(after) < 10 else 0
        return _json([asdict(event) for event in self._hub.desk.events(number)])

    async def past(self, _: Request) -> Response:
        """Pictures to step back through. What was said about them is left out while the risk is concealed."""
        concealed = self._hub.desk.choices.concealed
        rows = []
        for past in self._hub.past:
            record = past.record
            if concealed is not None:
                record = msgspec.structs.replace(
                    record, risk=None, low=None, high=None, age_ms=None, reason=concealed
                )
            rows.append({"number": past.number, "record": record})
        return _json(rows)

    async def past_picture(self, request: Request) -> Response:
        for past in self._hub.past:
            if past.number == request.path_params["number"]:
                return _answer(past.jpeg, "image/jpeg")
        return _plain("this picture is not kept any more", 404)

    async def best_picture(self, request: Request) -> Response:
        """One of the lesion's best pictures, by its frame's number."""
        best = self._hub.best(request.path_params["number"])
        if best is None:
            return _plain("this picture is not kept any more", 404)
        data = BytesIO()
        Image.fromarray(best.picture).save(data, "JPEG", quality=90)
        return _answer(data.getvalue(), "image/jpeg")

    async def snapshot(self, request: Request) -> Response:
        """The newest picture as a file to keep on the viewer's side."""
        view = _view(request)
        await self._hub.join(view)
        try:
            picture = await asyncio.wait_for(self._hub.next(view, 0), STALE_S)
        except asyncio.TimeoutError:
            return _plain("no picture comes", 503)
        finally:
            self._hub.leave(view)
        response = _answer(bytes(picture.jpeg), "image/jpeg")
        response.headers["Content-Disposition"] = f'attachment; filename="sonocart-{picture.number}.jpg"'
        return response

    async def order(self, request: Request) -> Response:
        try:
            self._carry_out(await _body(request))
        except SonocartError as error:
            return _plain(str(error), 422)
        return Response(status_code=204, headers=_HEADERS)

    async def recordings(self, _: Request) -> Response:
        return _answer(self._assets["recordings.html"], "text/html")

    async def recordings_list(self, _: Request) -> Response:
        try:
            return _json(await asyncio.to_thread(listed, self._serving.recordings))
        except SonocartError as error:
            return _plain(str(error), 404)

    async def recording(self, request: Request) -> Response:
        clip, part = request.path_params["clip"], request.path_params["part"]
        try:
            path, name = download(self._serving.recordings, clip, part)
        except SonocartError as error:
            return _plain(str(error), 404)
        return FileResponse(path, headers=_HEADERS, filename=name)

    async def change_recording(self, request: Request) -> Response:
        body = await _body(request)
        try:
            await asyncio.to_thread(change, self._serving.recordings, body)
        except SonocartError as error:
            return _plain(str(error), 422)
        return Response(status_code=204, headers=_HEADERS)

    async def stream(self, request: Request) -> Response:
        """Pictures one after the other, for viewers without scripts."""
        if self._hub.viewers >= self._serving.viewers:
            return _plain("too many viewers", 503)
        kind = "multipart/x-mixed-replace; boundary=picture"
        return StreamingResponse(self._parts(_view(request)), headers=_HEADERS, media_type=kind)

    async def live(self, viewer: WebSocket) -> None:
        if self._hub.viewers >= self._serving.viewers:
            await viewer.close(1013)
            return
        view = _view(viewer)
        may_order = role_of(viewer.headers, self._serving.tokens) >= WAYS["POST", "/order"]
        await self._hub.join(view)
        try:
            await viewer.accept()
            # KeyError: the viewer has sent bytes where text is spoken.
            with contextlib.suppress(WebSocketDisconnect, asyncio.TimeoutError, KeyError):
                await viewer.send_text(_text({"hello": self._hub.hello() | {"operator": may_order}}))
                await self._show(viewer, view, may_order)
        finally:
            self._hub.leave(view)

    async def _show(self, viewer: WebSocket, view: View, may_order: bool) -> None:
        """Newest picture, then wait until it was taken."""
        number = 0
        while True:
            try:
                picture = await asyncio.wait_for(self._hub.next(view, number), STALE_S / 2)
            except asyncio.TimeoutError:  # no new picture: say so, and find out whether the viewer is there
                silent = self._hub.silent_s
                # What a loop that hangs said last is not repeated: it would look as if it were so now.
                said = {"hung": round(silent, 1)} if silent > STALE_S else {"status": self._hub.status}
                await viewer.send_text(_text(said))
            else:
                number = picture.number
                await viewer.send_bytes(picture.message)
            await asyncio.wait_for(self._hear(viewer, may_order), _ACK_S)

    async def _hear(self, viewer: WebSocket, may_order: bool) -> None:
        """Carry out what the viewer asks for until it is ready for the next picture."""
        orders = 0
        while (message := await viewer.receive_text()) != READY:
            orders += 1
            if orders > ORDERS_A_SECOND * _ACK_S:
                await viewer.close(1008, "too many orders")
                raise WebSocketDisconnect
            try:
                if not may_order:
                    raise SonocartError("viewers may look; this needs the operator's token")
                self._carry_out(message)
            except SonocartError as error:
                await viewer.send_text(_text({"error": str(error)}))

    def _carry_out(self, order: str | bytes) -> None:
        status = self._hub.status
        if status is None:
            raise SonocartError("no picture has come yet")
        self._hub.desk.follow(order, Roi(0, 0, status.width, status.height))

    async def _parts(self, view: View) -> AsyncIterator[bytes]:
        number = 0
        await self._hub.join(view)
        try:
            while True:
                try:
                    picture = await asyncio.wait_for(self._hub.next(view, number), STALE_S)
                    number, jpeg = picture.number, bytes(picture.jpeg)
                except asyncio.TimeoutError:  # a frozen picture must not be taken for a live one
                    jpeg = _no_picture()
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n"
        finally:
            self._hub.leave(view)


async def _body(request: Request) -> bytes:
    """Of a small request, in time; otherwise the answer is 413 or 408."""

    async def read() -> bytes:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise HTTPException(413, f"a body may have {LARGEST_BODY} bytes", {"Connection": "close"})
        return body

    try:
        return await asyncio.wait_for(read(), _ACK_S)
    except asyncio.TimeoutError:
        raise HTTPException(408, "the body does not come", {"Connection": "close"}) from None


def _view(connection: HTTPConnection) -> View:
    return View.CLEAN if connection.query_params.get("view") == "clean" else View.ANNOTATED


def _answer(content: bytes, kind: str, code: int = 200) -> Response:
    return Response(content, code, media_type=kind, headers=_HEADERS)


def _json(body: object, code: int = 200) -> Response:
    return _answer(msgspec.json.encode(body), "application/json", code)


def _plain(text: str, code: int) -> Response:
    return PlainTextResponse(text + "\n", code, headers=_HEADERS)


def _text(message: object) -> str:
    return msgspec.json.encode(message).decode()


def _health_page(body: dict[str, object]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}<td>{escape(str(value))}" for name, value in body.items())
    word = "pictures come" if body["live"] else "NO PICTURES"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>sonocart health</title>'
        '<link rel="stylesheet" href="/static/style.css">'
        f'<main class="health"><h1>{word}</h1><table>{rows}</table></main></html>'
    )


@lru_cache(maxsize=1)
def _no_picture() -> bytes:
    """The card that a viewer without scripts is shown in place of an old picture."""
    card = Image.new("RGB", (1280, 720), (11, 14, 17))
    ImageDraw.Draw(card).text(
        (640, 360), "NO PICTURE", fill=(236, 240, 243), font=ImageFont.load_default(72), anchor="mm"
    )
    data = BytesIO()
    card.save(data, "JPEG")
    return data.getvalue()


class _SameSite:
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
            return _plain("unknown host", 421)
        if origin is None:
            # A script with a token is no browser; a browser always names the page that posts or connects.
            needed = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
            return _plain("origin missing", 403) if needed and "authorization" not in headers else None
        secure = scope["scheme"] in ("https", "wss")
        own = {f"{'https' if secure else 'http'}://{host}" for host in self._hosts}
        return None if origin.lower() in own else _plain("foreign origin", 403)
