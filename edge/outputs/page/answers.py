"""How the page answers and what it takes: headers on everything, and bodies that are small and in time."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

LARGEST_BODY = 4096  # bytes
PATIENCE_S = 2.0
"""Whoever neither sends what it began nor takes what it was sent for so long is let go."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def answer(content: bytes, kind: str, code: int = 200) -> Response:
    """Anything."""
    return Response(content, code, media_type=kind, headers=HEADERS)


def as_json(body: object, code: int = 200) -> Response:
    """`body` in JSON."""
    return answer(msgspec.json.encode(body), "application/json", code)


def plain(text: str, code: int) -> Response:
    """A line for people."""
    return PlainTextResponse(text + "\n", code, headers=HEADERS)


def as_text(message: object) -> str:
    """`message` in JSON, for a WebSocket."""
    return msgspec.json.encode(message).decode()


async def body_of(request: Request) -> bytes:
    """Of a small request, in time; otherwise the answer is 413 or 408."""

    async def read() -> bytes:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise HTTPException(413, f"a body may have {LARGEST_BODY} bytes", {"Connection": "close"})
        return body

    try:
        return await asyncio.wait_for(read(), PATIENCE_S)
    except asyncio.TimeoutError:
        raise HTTPException(408, "the body does not come", {"Connection": "close"}) from None
