"""How the page is served: to whom, under which names, how many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.outputs.page.access import Tokens
from edge.outputs.reception import Reception
from edge.outputs.recordings import Recordings

MAX_VIEWERS = 64


@dataclass(frozen=True, slots=True)
class Serving:
    """What a site decides.

    Attributes:
        tokens: None lets everybody who can reach the page do everything; then it must be on loopback.
        certificate, key: PEM files for TLS; the key may stand in the certificate's file.
        hosts: further names that the page answers to, as browsers write them without the port.
        viewers: at a time, at most.
        recordings: that an operator may download, protect and delete.
        reception: where an operator enters patients.
    """

    tokens: Tokens | None = None
    certificate: Path | None = None
    key: Path | None = None
    hosts: tuple[str, ...] = ()
    viewers: int = MAX_VIEWERS
    recordings: Recordings | None = None
    reception: Reception | None = None
