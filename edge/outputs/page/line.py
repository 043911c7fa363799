"""The picture to its viewers, over a WebSocket or one after the other.

Messages of /live: the viewer says "next" when it has taken what came, so that whatever buffers lie between
hold one picture at most; the server sends pictures as `hub.Picture.message` (binary), and in text a hello,
errors, a status without a picture, or for how long the loop has said nothing at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.contract.roi import Roi
from edge.errors import SonocartError
from edge.outputs.page.access import WAYS
from edge.outputs.page.answers import HEADERS, PATIENCE_S, as_text, plain
from edge.outputs.page.hub import STALE_S, Hub
from edge.outputs.page.picture import View
from edge.outputs.page.serving import Serving
from edge.outputs.page.waiting import Receipt

READY = "next"
MESSAGES, WINDOW_S = 240, 2.0
"""From a viewer, receipts for pictures among them, in so many seconds."""


class Line:
    """What viewers are sent, and what they ask for on the same connection."""

    def __init__(self, hub: Hub, serving: Serving):
        self._hub = hub
        self._serving = serving

    async def live(self, viewer: WebSocket) -> None:
        """Serve one viewer until it goes or stops taking."""
        if self._hub.viewers >= self._serving.viewers:
            await viewer.close(1013)
            return
        view = view_of(viewer)
        may_order = viewer.state.role >= WAYS["POST", "/order"]
        await self._hub.join(view)
        try:
            await viewer.accept()
            told = {"operator": may_order, "dicom": self._serving.reception is not None}
            await viewer.send_text(as_text({"hello": self._hub.hello() | told}))
            receipt = Receipt()
            tasks = [
                asyncio.ensure_future(self._show(viewer, view, receipt)),
                asyncio.ensure_future(self._hear(viewer, may_order, receipt)),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
            # KeyError: the viewer has sent bytes where text is spoken.
            with contextlib.suppress(WebSocketDisconnect, asyncio.CancelledError, KeyError):
                await asyncio.gather(*tasks)
        finally:
            self._hub.leave(view)

    async def _show(self, viewer: WebSocket, view: View, receipt: Receipt) -> None:
        """Newest picture, then wait until it was taken; ends where it is not."""
        number, taken = 0, True
        while taken:
            picture = await self._hub.next(view, number, STALE_S / 2)
            receipt.expect()
            if picture is None:  # say so, and find out whether the viewer is there
                silent = self._hub.silent_s
                # What a loop that hangs said last is not repeated: it would look as if it were so now.
                said = {"hung": round(silent, 1)} if silent > STALE_S else {"status": self._hub.status}
                await viewer.send_text(as_text(said))
            else:
                number = picture.number
                await viewer.send_bytes(picture.message)
            taken = await receipt.given(PATIENCE_S)

    async def _hear(self, viewer: WebSocket, may_order: bool, receipt: Receipt) -> None:
        """Carry out at once what the viewer asks for; ends where it asks for too much."""
        said, since = 0, time.monotonic()
        while True:
            message = await viewer.receive_text()
            said += 1
            if said > MESSAGES:
                if time.monotonic() - since < WINDOW_S:
                    await viewer.close(1008, "too many orders")
                    return
                said, since = 0, time.monotonic()
            if message == READY:
                receipt.give()
                continue
            try:
                if not may_order:
                    raise SonocartError("viewers may look; this needs the operator's token")
                carry_out(self._hub, message)
            except SonocartError as error:
                await viewer.send_text(as_text({"error": str(error)}))

    async def stream(self, request: Request) -> Response:
        """Pictures one after the other, for viewers without scripts."""
        if self._hub.viewers >= self._serving.viewers:
            return plain("too many viewers", 503)
        kind = "multipart/x-mixed-replace; boundary=picture"
        return StreamingResponse(self._parts(view_of(request)), headers=HEADERS, media_type=kind)

    async def _parts(self, view: View) -> AsyncIterator[bytes]:
        number = 0
        await self._hub.join(view)
        try:
            while True:
                picture = await self._hub.next(view, number, STALE_S)
                if picture is None:  # a frozen picture must not be taken for a live one
                    jpeg = _no_picture()
                else:
                    number, jpeg = picture.number, bytes(picture.jpeg)
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n"
        finally:
            self._hub.leave(view)


def view_of(connection: HTTPConnection) -> View:
    """Which picture a visitor asks for."""
    return View.CLEAN if connection.query_params.get("view") == "clean" else View.ANNOTATED


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


def carry_out(hub: Hub, order: str | bytes) -> None:
    """Do what an operator asks for, see `edge.exam.desk.Order`.

    Raises:
        SonocartError: it makes no sense, or no picture has come that it could be about.
    """
    status = hub.status
    if status is None or not status.width:
        raise SonocartError("no picture has come yet")
    hub.desk.follow(order, Roi(0, 0, status.width, status.height))
