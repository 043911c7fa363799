"""How often somebody may guess a token: a few times at once, then now and then."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

AT_ONCE = 5
"""Wrong tokens that an address may send one after the other."""

AGAIN_S = 10.0
"""After so long it may try once more."""

_ADDRESSES = 1024  # remembered at a time, the longest unseen forgotten first
_NETWORK = 64  # bits of an IPv6 address that a visitor cannot choose


class Tries:
    """Counts wrong tokens by address, in memory that does not grow."""

    def __init__(self) -> None:
        """Nobody has tried."""
        self._free_s: OrderedDict[str, float] = OrderedDict()  # when all tries will be free again

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until `address` may try again; 0 if it may now."""
        free_s = self._free_s.get(_network(address), now_s)
        return max(0.0, free_s - now_s - (AT_ONCE - 1) * AGAIN_S)

    def fail(self, address: str, now_s: float) -> None:
        """A token from there was wrong. Many at once make nobody wait longer than `AGAIN_S` for the next."""
        key = _network(address)
        free_s = max(self._free_s.pop(key, now_s), now_s) + AGAIN_S
        self._free_s[key] = min(free_s, now_s + AT_ONCE * AGAIN_S)
        while len(self._free_s) > _ADDRESSES:
            self._free_s.popitem(last=False)

    def forgive(self, address: str) -> None:
        """What was counted last was no wrong token."""
        key = _network(address)
        if key in self._free_s:
            self._free_s[key] -= AGAIN_S


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # no client address behind some proxies
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:  # a listener on [::] sees all of IPv4 in one network
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK), strict=False))
