"""What the page answers to plain requests."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import msgspec
from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from edge.errors import SonocartError
from edge.outputs.metrics import Metrics
from edge.outputs.page.access import COOKIE, Role, cookie_of
from edge.outputs.page.answers import HEADERS, answer, as_json, body_of, plain
from edge.outputs.page.door import Door, forget, keep
from edge.outputs.page.health import PUBLIC, health_of, health_page
from edge.outputs.page.hub import STALE_S, Hub
from edge.outputs.page.kept import change, download, listed
from edge.outputs.page.line import carry_out, view_of
from edge.outputs.page.serving import Serving

_STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class Site:
    """The endpoints."""

    def __init__(self, hub: Hub, metrics: Metrics, serving: Serving, door: Door):
        self._hub = hub
        self._metrics = metrics
        self._serving = serving
        self._door = door
        self._assets = {path.name: path.read_bytes() for path in _STATIC.iterdir()}

    async def index(self, _: Request) -> Response:
        return answer(self._assets["index.html"], "text/html")

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._assets:
            return plain("no such file", 404)
        return answer(self._assets[name], _TYPES[Path(name).suffix])

    async def role(self, request: Request) -> Response:
        role = self._door.role(request)
        response = as_json({"role": role.name.lower(), "tokens": self._door.tokens is not None})
        if role is Role.ANYBODY:
            return forget(response, request)
        if COOKIE in request.cookies and self._door.tokens is not None and self._door.seated(request) is None:
            self._door.seat(response, role, request)  # for a cookie of an earlier start
        return response

    async def login(self, request: Request) -> Response:
        """Exchange a token for a cookie and a seat."""
        tokens = self._door.tokens
        self._door.take(request)
        token = (await body_of(request)).decode("utf-8", "replace").strip()
        if tokens is None or tokens.role(token) is Role.ANYBODY:
            return plain("this token is not known here", 403)
        self._door.give_back(request)
        response = as_json({"role": tokens.role(token).name.lower()})
        keep(response, COOKIE, cookie_of(token), request)
        self._door.seat(response, tokens.role(token), request)
        return response

    async def health(self, request: Request) -> Response:
        """200 while pictures come, else 503; never a risk, and to those without a token no details."""
        body = health_of(self._hub)
        if self._door.role(request) is Role.ANYBODY:
            body = {name: body[name] for name in PUBLIC}
        code = 200 if body["live"] else 503
        if "text/html" in request.headers.get("accept", ""):
            return answer(health_page(body).encode(), "text/html", code)
        return as_json(body, code)

    async def metrics(self, _: Request) -> Response:
        text = self._metrics.exposition(self._hub.viewers)
        return answer(text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def events(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        number = int(after) if after.isdecimal() and len(after) < 10 else 0
        return as_json([asdict(event) for event in self._hub.desk.events(number)])

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
        return as_json(rows)

    async def past_picture(self, request: Request) -> Response:
        for past in self._hub.past:
            if past.number == request.path_params["number"]:
                return answer(past.jpeg, "image/jpeg")
        return plain("this picture is not kept any more", 404)

    async def best_picture(self, request: Request) -> Response:
        """One of the lesion's best pictures, by its frame's number."""
        best = self._hub.best(request.path_params["number"])
        if best is None:
            return plain("this picture is not kept any more", 404)
        data = BytesIO()
        Image.fromarray(best.picture).save(data, "JPEG", quality=90)
        return answer(data.getvalue(), "image/jpeg")

    async def snapshot(self, request: Request) -> Response:
        """The next picture as a file to keep on the viewer's side, masked as recordings are."""
        view = view_of(request).kept
        await self._hub.join(view)
        try:
            picture = await self._hub.next(view, 0, STALE_S)
        finally:
            self._hub.leave(view)
        if picture is None:
            return plain("no picture comes", 503)
        if not picture.jpeg:
            return plain("no snapshot: the ultrasound field is not known, and all else is masked", 409)
        response = answer(bytes(picture.jpeg), "image/jpeg")
        response.headers["Content-Disposition"] = f'attachment; filename="sonocart-{picture.number}.jpg"'
        return response

    async def order(self, request: Request) -> Response:
        try:
            carry_out(self._hub, await body_of(request))
        except SonocartError as error:
            return plain(str(error), 422)
        return Response(status_code=204, headers=HEADERS)

    async def patient(self, _: Request) -> Response:
        """Who is examined, for the operator alone."""
        reception = self._serving.reception
        if reception is None:
            return plain("nothing here is written under a name: start sonocart run with --dicom", 404)
        return as_json(await asyncio.to_thread(reception.known))

    async def enter_patient(self, request: Request) -> Response:
        reception, body = self._serving.reception, await body_of(request)
        if reception is None:
            return plain("nothing here is written under a name: start sonocart run with --dicom", 404)
        try:
            await asyncio.to_thread(reception.enter, body)
        except SonocartError as error:
            return plain(str(error), 422)
        return Response(status_code=204, headers=HEADERS)

    async def recordings(self, _: Request) -> Response:
        return answer(self._assets["recordings.html"], "text/html")

    async def recordings_list(self, _: Request) -> Response:
        try:
            return as_json(await asyncio.to_thread(listed, self._serving.recordings))
        except SonocartError as error:
            return plain(str(error), 404)

    async def recording(self, request: Request) -> Response:
        clip, part = request.path_params["clip"], request.path_params["part"]
        try:
            path, name = download(self._serving.recordings, clip, part)
        except SonocartError as error:
            return plain(str(error), 404)
        return FileResponse(path, headers=HEADERS, filename=name)

    async def change_recording(self, request: Request) -> Response:
        body = await body_of(request)
        try:
            await asyncio.to_thread(change, self._serving.recordings, body)
        except SonocartError as error:
            return plain(str(error), 422)
        return Response(status_code=204, headers=HEADERS)
