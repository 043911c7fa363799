"""What the doctor looks at. Each check yields one finding a thing, good or not, and changes nothing."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import wrong_clock
from edge.errors import BusyError, CannotCreateError, SonocartError, UnavailableError
from edge.service.checks_asked import extras, page_files, worklist
from edge.service.finding import Finding
from edge.settings import ModelSettings, Settings

if TYPE_CHECKING:  # the doctor starts also where libraries are missing
    from edge.contract.bundle import Bundle

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
    except SonocartError as error:
        found = str(error).partition(". Run: ")[0]
        yield Finding("model", False, found, f"copy a good bundle to {path}, then: sonocart verify {path}")
        return
    wrong = list(_unknown(settings.model, bundle))
    yield from wrong
    if not wrong:
        yield Finding("model", True, f"{bundle.spec.name}, {settings.model.precision}, bundle {bundle.id}")
        yield from _engine(settings.model.precision, bundle)


def _engine(precision: str, bundle: Bundle) -> Iterator[Finding]:
    """All that an engine in the bundle needs of this machine; it would run on the CPU else, or not at all."""
    from edge.engines.cuda import load_driver
    from edge.engines.device_frame import read_cubin
    from edge.engines.tensorrt_key import built_keys, find_plan, machine_key, require_pycuda

    try:
        if precision not in {key.precision for key in built_keys(bundle)}:
            return
        driver = load_driver()
        key, _ = find_plan(bundle, machine_key(bundle, precision, driver))
        require_pycuda()
    except UnavailableError as error:
        found, _, fix = str(error).partition(". Run: ")
        cart = "make its driver, TensorRT and pycuda run, or copy a bundle without engines"
        yield Finding("engine", False, f"{precision} runs on the CPU: {found}", fix or cart)
        return
    except SonocartError as error:
        found, _, fix = str(error).partition(". Run here: ")
        yield Finding("engine", False, found, fix or f"sonocart verify {bundle.path}")
        return
    yield Finding("engine", True, str(key))
    device = driver.device()
    try:
        read_cubin(device.sm, device.cuda)
    except UnavailableError as error:
        found, _, fix = str(error).partition(". Run: ")
        yield Finding("kernels", False, found, fix)
    else:
        yield Finding("kernels", True, f"for sm_{device.sm}")


def _unknown(chosen: ModelSettings, bundle: Bundle) -> Iterator[Finding]:
    """What is set and the bundle does not have."""
    from edge.exam.baseline import read_baseline

    if chosen.precision not in bundle.precisions():
        known = ", ".join(bundle.precisions())
        fix = f"set [model] precision to one of: {known}; or copy a bundle with {chosen.precision}"
        yield Finding("model", False, f"the bundle has no {chosen.precision} model; it has: {known}", fix)
    points = [point.name for point in bundle.spec.operating_points]
    if chosen.operating_point is not None and chosen.operating_point not in points:
        known = ", ".join(points)
        found = f"the model has no operating point '{chosen.operating_point}'; it has: {known}"
        yield Finding("model", False, found, f"set [model] operating_point to one of: {known}")
    if chosen.baseline is not None:
        try:
            read_baseline(chosen.baseline, bundle.id)
        except SonocartError as error:
            fix = f"sonocart accept {bundle.path} --cases DIR --baseline {chosen.baseline}"
            yield Finding("baseline", False, str(error).partition(". Run: ")[0], fix)


def source(settings: Settings) -> Iterator[Finding]:
    """The capture card, file or whatever the picture is to come from."""
    from edge.sources.stream import without_password

    address = settings.source.address
    if address is None:
        yield Finding("source", False, "none is configured", "set [source] address; see: sonocart devices")
        return
    inner = address.partition(";")[2] if address.startswith("faults:") else address
    try:
        if inner.startswith("v4l2:"):
            yield _card(inner)
        elif ":" in inner and not Path(inner).exists():
            yield Finding("source", True, without_password(inner))
        elif os.access(inner, os.R_OK):
            yield Finding("source", True, f"file {inner}")
        else:
            yield Finding("source", False, f"'{inner}' cannot be read", "set [source] address")
    except SonocartError as error:
        yield Finding("source", False, str(error), "sonocart devices lists the cards and their rights")


def _card(address: str) -> Finding:
    from edge.sources.card.choose import explained, open_card, parse_wish
    from edge.sources.card.kernel import Linux

    path = parse_wish(address).path
    if not Path(path).exists():
        return Finding("source", False, f"{path} does not exist", "plug the card in; sonocart devices")
    if not os.access(path, os.R_OK | os.W_OK):
        user = os.environ.get("USER", "sonocart")
        return Finding(
            "source", False, f"no right to {path}", f"usermod -a -G video {user}, and log in again"
        )
    device = open_card(path, Linux())
    try:
        condition = device.received().condition
    except OSError as error:
        raise explained(path, error) from error
    finally:
        device.close()
    arrives = "a signal arrives" if condition is None else f"{condition.value} at present"
    return Finding("source", True, f"card {path}, {arrives}")


def disk(settings: Settings) -> Iterator[Finding]:
    """Room and right to write wherever something is to be kept."""
    kept = settings.recording
    folders = {path for path in (kept.folder, kept.black_box, settings.dicom.queue) if path}
    files = {path.parent for path in (kept.video, kept.log) if path}
    for folder in sorted(folders | files):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(existing).free
        try:
            tempfile.TemporaryFile(dir=existing).close()  # without a name, so it disturbs nothing
        except OSError as error:
            fix = f"install -d -o sonocart -g sonocart -m 700 {folder}; or mount it writable"
            yield Finding("disk", False, f"{folder} cannot be written: {error.strerror}", fix)
            continue
        if free < ROOM:
            fix = "delete recordings, or lower [recording] cap_gb"
            yield Finding("disk", False, f"{free / 1e9:.1f} GB free at {existing}", fix)
        else:
            yield Finding("disk", True, f"{free / 1e9:.0f} GB free at {existing}")


def page(settings: Settings) -> Iterator[Finding]:
    """The page's port, certificate and tokens."""
    yield from page_files(settings.page)
    if settings.page.address is None:
        return
    from edge.outputs.page.address import parse_address

    host, port = parse_address(settings.page.address)  # is one: see edge.service.rules
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
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
    wrong = wrong_clock()
    if wrong:
        fix = "timedatectl set-ntp true; replace the clock's battery"
        yield Finding("clock", False, f"it is {wrong}", fix)
    else:
        yield Finding("clock", True, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))


def _runs(settings: Settings) -> bool:
    """Whether an instance holds the lock; asking takes it for no longer than that."""
    from edge.service.lock import only_instance

    if settings.service.lock is None or not settings.service.lock.exists():
        return False
    try:
        with only_instance(settings.service.lock):
            return False
    except (BusyError, CannotCreateError) as error:
        return isinstance(error, BusyError)


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    libraries,
    extras,
    model,
    source,
    disk,
    page,
    worklist,
    clock,
)
"""In the order of the report."""
