"""Who a visitor is; wrong tokens and cookies count against its address wherever they are shown."""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from edge.outputs.page.access import COOKIE, Role, Tokens, role_of
from edge.outputs.page.answers import HEADERS
from edge.outputs.page.tries import Tries

SEAT = "sonocart-seat"
_SEATS = 1024  # kept at a time, the oldest given up first


class Door:
    """One for all ways in. While an address waits its right tokens wait too: else they could be told.

    Browsers that were let in before have a seat, drawn for each and too long to be guessed, and go on.
    """

    def __init__(self, tokens: Tokens | None):
        """Nobody has tried yet; without `tokens` nobody has to."""
        self.tokens = tokens
        self._tries = Tries()
        self._seats: OrderedDict[str, Role] = OrderedDict()

    def role(self, visitor: HTTPConnection) -> Role:
        """Of a visitor by the token or cookie that it shows; ANYBODY where it shows none or a wrong one.

        Raises:
            HTTPException: 429, its address has to wait.
        """
        seated = self.seated(visitor)
        if seated is not None and "authorization" not in visitor.headers:
            return seated  # whatever other cookie it shows, which could be a guess
        shows = "authorization" in visitor.headers or COOKIE in visitor.cookies
        if self.tokens is None or not shows:
            return role_of(visitor, self.tokens)
        self.take(visitor)
        role = role_of(visitor, self.tokens)
        if role is not Role.ANYBODY:
            self.give_back(visitor)
        return role

    def take(self, visitor: HTTPConnection) -> None:
        """One try, before it is known whether it is right: many at once must not pass for one.

        Raises:
            HTTPException: 429, there is none left for now.
        """
        address, now_s = _address(visitor), time.monotonic()
        wait_s = self._tries.wait_s(address, now_s)
        if wait_s:
            raise HTTPException(
                429,
                f"too many wrong tokens from here; try again in {wait_s:.0f} s",
                HEADERS | {"Retry-After": str(math.ceil(wait_s))},
            )
        self._tries.fail(address, now_s)

    def give_back(self, visitor: HTTPConnection) -> None:
        """The try that was taken was right."""
        self._tries.forgive(_address(visitor))

    def seated(self, visitor: HTTPConnection) -> Role | None:
        """As whom the visitor was let in before; None where that is not known."""
        return self._seats.get(visitor.cookies.get(SEAT, ""))

    def seat(self, response: Response, role: Role, visitor: HTTPConnection) -> None:
        """Give the browser a seat with the answer. It holds until the page ends."""
        key = secrets.token_urlsafe(32)
        self._seats[key] = role
        while len(self._seats) > _SEATS:
            self._seats.popitem(last=False)
        keep(response, SEAT, key, visitor)


def keep(response: Response, name: str, value: str, visitor: HTTPConnection) -> None:
    """Have the browser keep a cookie that scripts cannot read and other sites cannot send."""
    secure = visitor.url.scheme == "https"
    response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure)


def forget(response: Response, visitor: HTTPConnection) -> Response:
    """Have the browser drop a cookie that is wrong: it would be counted again and again."""
    if COOKIE in visitor.cookies:
        response.delete_cookie(COOKIE)
    return response


def _address(visitor: HTTPConnection) -> str:
    return "" if visitor.client is None else visitor.client.host
