"""Where the page is served, and who could reach it there."""

from __future__ import annotations

import ipaddress

from edge.errors import UsageError


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`.

    Raises:
        UsageError: not an address of this machine.
    """
    host, separator, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not separator or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise UsageError(f"'{text}' is no address for the page; expected HOST:PORT such as 127.0.0.1:8080")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise UsageError(
            f"'{host}' is no address for the page; expected numbers, such as 127.0.0.1:{port}"
        ) from None
    return host, int(port)


def require_named(host: str, port: int, hosts: tuple[str, ...]) -> None:
    """Refuse all addresses of this machine where nothing says by which name browsers will ask for it.

    Raises:
        UsageError: `host` stands for all of them, and there are no `hosts`.
    """
    if not hosts and ipaddress.ip_address(host).is_unspecified:
        raise UsageError(
            f"'{host}' is no name that a browser can ask for, and the page answers to no other. Give this "
            f"machine's names in [page] hosts or --page-hosts, or its address with --page ADDRESS:{port}"
        )


def require_guarded(host: str, port: int, *, guarded: bool) -> None:
    """Refuse an address that other machines reach where nobody has to show who they are.

    Raises:
        UsageError: it is one, and `guarded` is not set.
    """
    if not guarded and not ipaddress.ip_address(host).is_loopback:
        raise UsageError(
            f"the page shows patient pictures, so without tokens it is served on loopback only, not on "
            f"'{host}'. Give --page-tokens, or use 127.0.0.1:{port} and an SSH tunnel from elsewhere"
        )
