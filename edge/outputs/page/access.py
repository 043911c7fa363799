"""Who may do what on the page: one table for HTTP and WebSocket, and how a visitor shows who it is."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.errors import ConfigError, NoInputError

if TYPE_CHECKING:  # the doctor reads tokens also where libraries are missing
    from starlette.requests import HTTPConnection

COOKIE = "sonocart"
SHORTEST_TOKEN = 16
"""Characters. Random ones of this number cannot be guessed through a network."""


class Role(IntEnum):
    """Each may do what those before it may."""

    ANYBODY = 0
    VIEWER = 1
    OPERATOR = 2


WAYS: dict[tuple[str, str], Role] = {
    ("GET", "/"): Role.ANYBODY,
    ("GET", "/static/{name}"): Role.ANYBODY,
    ("GET", "/health"): Role.ANYBODY,
    ("GET", "/role"): Role.ANYBODY,
    ("POST", "/login"): Role.ANYBODY,
    ("WS", "/live"): Role.VIEWER,
    ("GET", "/stream.mjpg"): Role.VIEWER,
    ("GET", "/past"): Role.VIEWER,
    ("GET", "/past/{number:int}.jpg"): Role.VIEWER,
    ("GET", "/best/{number:int}.jpg"): Role.VIEWER,
    ("GET", "/events"): Role.VIEWER,
    ("GET", "/metrics"): Role.VIEWER,
    ("GET", "/snapshot.jpg"): Role.OPERATOR,
    ("POST", "/order"): Role.OPERATOR,
    ("GET", "/patient"): Role.OPERATOR,
    ("POST", "/patient"): Role.OPERATOR,
    ("GET", "/recordings"): Role.OPERATOR,
    ("GET", "/recordings/list"): Role.OPERATOR,
    ("GET", "/recordings/{clip}/{part}"): Role.OPERATOR,
    ("POST", "/recordings"): Role.OPERATOR,
}
"""Every way into the page. An order through /live needs what POST /order needs."""


class _TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: str
    viewer: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Secrets by role. A visitor sends one, or the cookie made from it."""

    operator: str
    viewer: str | None = None

    def __post_init__(self) -> None:
        for role, token in (("operator", self.operator), ("viewer", self.viewer)):
            if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii()):
                raise ConfigError(
                    f"the page's {role} token must be {SHORTEST_TOKEN} or more ASCII characters. "
                    'Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(24))"'
                )
        if self.operator == self.viewer:
            raise ConfigError("the page's operator and viewer tokens are the same; give two")

    def role(self, token: str) -> Role:
        """Whose token this is. Takes as long for a wrong token as for a right one."""
        return self.role_of_cookie(cookie_of(token))

    def role_of_cookie(self, value: str) -> Role:
        """Whose cookie this is."""
        found = Role.ANYBODY
        for role, secret in ((Role.VIEWER, self.viewer), (Role.OPERATOR, self.operator)):
            if secret is not None and hmac.compare_digest(
                value.encode("utf-8", "replace"), cookie_of(secret).encode()
            ):
                found = role
        return found


def cookie_of(token: str) -> str:
    """What the browser keeps instead of the token; it holds until the token changes, also over restarts."""
    return hmac.new(token.encode("utf-8", "replace"), b"sonocart page 1", hashlib.sha256).hexdigest()


def role_of(visitor: HTTPConnection, tokens: Tokens | None) -> Role:
    """By what it shows. Without tokens the page is on loopback, and whoever can reach it sits at the cart."""
    if tokens is None:
        return Role.OPERATOR
    scheme, _, token = visitor.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.role(token.strip())
    shown = visitor.cookies.get(COOKIE)
    return Role.ANYBODY if shown is None else tokens.role_of_cookie(shown)


def read_tokens(path: Path) -> Tokens:
    """From a JSON file: `{"operator": "...", "viewer": "..."}`, the second optional.

    Raises:
        NoInputError: it cannot be read.
        ConfigError: it is not that, or others on this machine can read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(4096)
    except OSError as error:
        raise NoInputError(f"cannot read the page's tokens '{path}': {error.strerror}") from error
    if mode & 0o077:
        raise ConfigError(f"others can read the page's tokens '{path}'. Run: chmod 600 '{path}'")
    try:
        found = msgspec.json.decode(data, type=_TokenFile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' does not hold the page's tokens: {error}") from error
    return Tokens(found.operator, found.viewer)
