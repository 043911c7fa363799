"""What the doctor looks at. Each check yields one finding a thing, good or not, and changes nothing."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SonocartError
from edge.settings import Settings

LIBRARIES = (
    "numpy",
    "cv2",
    "av",
    "msgspec",
    "onnxruntime",
    "simplejpeg",
    "starlette",
    "uvicorn",
    "websockets",
)
ROOM = 2_000_000_000  # bytes: an hour of recording at 1080p, roughly
_OLDEST = 1_767_225_600  # 2026-01-01: a clock before that has lost its battery


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: it is.
        good: nothing has to be done.
        found: how it is, in words.
        fix: what to run or to do; empty where it is good.
    """

    what: str
    good: bool
    found: str
    fix: str = ""


def libraries(_: Settings) -> Iterator[Finding]:
    """Everything that the cart imports, and the system libraries behind it."""
    missing = [f"{name}: {lacking}" for name in LIBRARIES if (lacking := _lacking(name))]
    if missing:
        fix = "apt-get install --fix-broken sonocart, or pip install --force-reinstall sonocart"
        yield Finding("libraries", False, "; ".join(missing), fix)
    else:
        yield Finding("libraries", True, f"{len(LIBRARIES)} present")


def _lacking(name: str) -> str:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return str(error)
    return ""


def model(settings: Settings) -> Iterator[Finding]:
    """The bundle's hashes, its signature if keys are trusted, and the precision asked for."""
    from edge.contract.bundle import open_bundle
    from edge.contract.signing import load_trust

    trust = None
    if settings.model.trust is not None:
        try:
            trust = load_trust(settings.model.trust)
            yield Finding("keys", True, f"{len(trust.keys)} trusted in {settings.model.trust}")
        except SonocartError as error:
            fix = f"put the maker's .pub file into {settings.model.trust}"
            yield Finding("keys", False, str(error), fix)
    path = settings.model.bundle
    if path is None:
        yield Finding("model", False, "no bundle is configured", "set [model] bundle")
        return
    try:
        bundle = open_bundle(path, trust)
        bundle.model(settings.model.precision)
        bundle.spec.point(settings.model.operating_point)
    except SonocartError as error:
        yield Finding("model", False, str(error), f"copy a good bundle to {path}: sonocart verify {path}")
        return
    yield Finding("model", True, f"{bundle.spec.name}, {settings.model.precision}, bundle {bundle.id}")


def source(settings: Settings) -> Iterator[Finding]:
    """The capture card, file or whatever the picture is to come from."""
    address = settings.source.address
    if address is None:
        yield Finding("source", False, "none is configured", "set [source] address; see: sonocart devices")
        return
    inner = address.rpartition(";")[2]
    try:
        if inner.startswith("v4l2:"):
            yield _card(inner)
        elif ":" in inner and not Path(inner).exists():
            yield Finding("source", True, inner)
        elif os.access(inner, os.R_OK):
            yield Finding("source", True, f"file {inner}")
        else:
            yield Finding("source", False, f"'{inner}' cannot be read", "set [source] address")
    except SonocartError as error:
        yield Finding("source", False, str(error), "sonocart devices lists the cards and their rights")


def _card(address: str) -> Finding:
    from edge.sources.card.choose import open_card, parse_wish
    from edge.sources.card.kernel import Linux

    path = parse_wish(address).path
    if not Path(path).exists():
        return Finding("source", False, f"{path} does not exist", "plug the card in; sonocart devices")
    if not os.access(path, os.R_OK | os.W_OK):
        user = os.environ.get("USER", "sonocart")
        return Finding(
            "source", False, f"no right to {path}", f"usermod -a -G video {user}, and log in again"
        )
    open_card(path, Linux()).close()
    return Finding("source", True, f"card {path}")


def disk(settings: Settings) -> Iterator[Finding]:
    """Room and right to write wherever something is to be kept."""
    kept = settings.recording
    folders = {
        path if path is kept.folder else path.parent for path in (kept.folder, kept.video, kept.log) if path
    }
    for folder in sorted(folders):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        if not os.access(existing, os.W_OK | os.X_OK):
            fix = f"install -d -o sonocart -g sonocart -m 700 {folder}; or mount it writable"
            yield Finding("disk", False, f"{existing} cannot be written", fix)
        elif free < ROOM:
            fix = "delete recordings, or lower [recording] cap_gb"
            yield Finding("disk", False, f"{free / 1e9:.1f} GB free at {existing}", fix)
        else:
            yield Finding("disk", True, f"{free / 1e9:.0f} GB free at {existing}")


def page(settings: Settings) -> Iterator[Finding]:
    """The page's port, certificate and tokens."""
    for path in (settings.page.certificate, settings.page.key, settings.page.tokens):
        if path is not None:
            good = os.access(path, os.R_OK)
            fix = "" if good else f"chown sonocart {path}; chmod 400 {path}; or mend [page]"
            yield Finding("page's file", good, f"{path} {'is there' if good else 'cannot be read'}", fix)
    if settings.page.address is None:
        return
    from edge.outputs.page.server import parse_address

    try:
        host, port = parse_address(settings.page.address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except SonocartError as error:
        yield Finding("page", False, str(error), "set [page] address")
    except OSError as error:
        if _runs(settings):
            yield Finding("page", True, f"{settings.page.address}, served by the service that runs")
            return
        fix = f"find who has it: ss -ltnp 'sport = :{port}'; or set another [page] address"
        yield Finding("page", False, f"{settings.page.address}: {error.strerror}", fix)
    else:
        yield Finding("page", True, f"{settings.page.address} is free")


def clock(_: Settings) -> Iterator[Finding]:
    """A wall clock that recordings and certificates can be dated by."""
    now = time.time()
    if now < _OLDEST:
        found = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now))
        yield Finding(
            "clock", False, f"it is {found}", "timedatectl set-ntp true; replace the clock's battery"
        )
    else:
        yield Finding("clock", True, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now)))


def _runs(settings: Settings) -> bool:
    """Whether an instance holds the lock; asking takes it for no longer than that."""
    from edge.errors import BusyError, CannotCreateError
    from edge.service.lock import only_instance

    if settings.service.lock is None or not settings.service.lock.exists():
        return False
    try:
        with only_instance(settings.service.lock):
            return False
    except (BusyError, CannotCreateError) as error:
        return isinstance(error, BusyError)


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (libraries, model, source, disk, page, clock)
"""In the order of the report."""
