"""The page's application: every way in, behind its role and behind the check of names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from edge.outputs.metrics import Metrics
from edge.outputs.page.access import WAYS, Role
from edge.outputs.page.answers import plain
from edge.outputs.page.door import Door, forget
from edge.outputs.page.hub import Hub
from edge.outputs.page.line import Line
from edge.outputs.page.same_site import SameSite
from edge.outputs.page.serving import Serving
from edge.outputs.page.site import Site


def build_app(hub: Hub, metrics: Metrics, serving: Serving, hosts: set[str]) -> Starlette:
    """The application; `hosts` are the Host headers that it answers to."""
    door = Door(serving.tokens)
    site, line = Site(hub, metrics, serving, door), Line(hub, serving)
    answers: dict[tuple[str, str], Callable[..., Awaitable[Response | None]]] = {
        ("GET", "/"): site.index,
        ("GET", "/static/{name}"): site.asset,
        ("GET", "/health"): site.health,
        ("GET", "/role"): site.role,
        ("POST", "/login"): site.login,
        ("WS", "/live"): line.live,
        ("GET", "/stream.mjpg"): line.stream,
        ("GET", "/past"): site.past,
        ("GET", "/past/{number:int}.jpg"): site.past_picture,
        ("GET", "/best/{number:int}.jpg"): site.best_picture,
        ("GET", "/events"): site.events,
        ("GET", "/metrics"): site.metrics,
        ("GET", "/snapshot.jpg"): site.snapshot,
        ("POST", "/order"): site.order,
        ("GET", "/patient"): site.patient,
        ("POST", "/patient"): site.enter_patient,
        ("GET", "/recordings"): site.recordings,
        ("GET", "/recordings/list"): site.recordings_list,
        ("GET", "/recordings/{clip}/{part}"): site.recording,
        ("POST", "/recordings"): site.change_recording,
    }
    routes = [
        _route(method, path, role, answers[method, path], door) for (method, path), role in WAYS.items()
    ]
    return Starlette(routes=routes, middleware=[Middleware(SameSite, hosts=hosts)])


def _route(
    method: str, path: str, role: Role, answer: Callable[..., Awaitable[Response | None]], door: Door
) -> BaseRoute:
    """A way in that is closed to those below `role`."""

    async def http(request: Request) -> Response:
        found = role if role is Role.ANYBODY else door.role(request)
        if found < role:
            refusal = plain(f"this needs the {role.name.lower()}'s token", 403)
            return forget(refusal, request) if found is Role.ANYBODY else refusal
        response = await answer(request)
        assert response is not None
        return response

    async def socket(viewer: WebSocket) -> None:
        try:
            found = door.role(viewer)
        except HTTPException:
            found = Role.ANYBODY
        if found < role:
            await viewer.close(1008)  # before accepting: HTTP 403
            return
        viewer.state.role = found
        await answer(viewer)

    return WebSocketRoute(path, socket) if method == "WS" else Route(path, http, methods=[method])
