"""`sonocart bench viewers`: what many, stalled and silent visitors of the page cost the cart."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from edge.bench.aims import Aim
from edge.bench.conditions import tree_cpu_seconds
from edge.errors import InternalError
from edge.outputs.page.pace import MEGABITS

MANY = 50
IDLE = 1000
START_S = 60.0
ORDERS = 20
AIMS = (
    Aim("first picture, s", 0.0, 1.0),
    Aim("order to effect, 95th percentile, ms", 0.0, 100.0),
    Aim(f"{MANY} viewers: presented, ratio", 0.98, 1.02),
    Aim(f"{MANY} viewers: age of the risk, ratio", 0.98, 1.02),
    Aim(f"{MANY} viewers: CPU, ratio", 0.0, 1.15),
    Aim(f"{MANY} viewers: seen by each, Hz", 2.0, float("inf")),
    Aim(f"{MANY} viewers: sent to all, Mbit/s", 0.0, 1.05 * MEGABITS),
    Aim("stalled viewer: pictures held", 1.0, 2.0),
    Aim("stalled viewer dropped after, s", 1.8, 2.5),
    Aim(f"{IDLE} idle connections: presented, ratio", 0.98, 1.02),
    Aim(f"{IDLE} idle connections: CPU, ratio", 0.95, 1.05),
)


@dataclass(slots=True)
class Phase:
    """What was seen in one turn."""

    cpu: float  # seconds of CPU of the cart's processes, a second
    rate_hz: float  # presented pictures
    age_ms: list[float] = field(default_factory=list)  # of the risk, on each picture that a viewer got
    seen_hz: float = 0.0  # pictures that a viewer got
    megabits: float = 0.0  # a second, that all viewers got


def measure_viewers(
    bundle: Path, arguments: Sequence[str], seconds: float, turns: int, progress: Callable[[float], None]
) -> dict[str, float]:
    """Start `sonocart run` with its page, visit it in turns by one, by many, and beside silent connections.

    Returns:
        Figures by name; ratios are medians over the turns of what came right after each other.

    Raises:
        InternalError: the cart's process ended or its page never came.
    """
    with tempfile.TemporaryDirectory(prefix="sonocart-bench-") as folder:
        errors = Path(folder) / "errors"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", str(bundle), *arguments, "--page", "127.0.0.1:0"],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            port = _await_page(process, errors)
            return asyncio.run(_visit(process.pid, port, seconds, turns, progress))
        finally:
            process.terminate()
            process.wait()


def _await_page(process: subprocess.Popen[bytes], errors: Path) -> int:
    """The page's port, once it is live."""
    begin = time.monotonic()
    while time.monotonic() - begin < START_S and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", errors.read_text())
        if found is not None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/health").close()
                return int(found[1])
            except urllib.error.URLError:
                pass
        time.sleep(0.1)
    raise InternalError(f"sonocart run showed no picture: {errors.read_text()[-500:].strip()}")


async def _visit(
    pid: int, port: int, seconds: float, turns: int, progress: Callable[[float], None]
) -> dict[str, float]:
    first = await _first_picture(port)
    await asyncio.sleep(3.0)  # the evidence fills its window
    one, many, idle = [], [], []
    for turn in range(turns):
        one.append(await _phase(pid, port, 1, seconds))
        many.append(await _phase(pid, port, MANY, seconds))
        lines = await _dial(port, IDLE)
        idle.append(await _phase(pid, port, 1, seconds))
        for line in lines:
            line.close()
        progress((turn + 1) / turns)
    effects = await _effects(port)
    held, stalled = await _stalled(port)

    def ratio(over: list[Phase], value: Callable[[Phase], float]) -> float:
        return statistics.median(value(b) / value(a) for a, b in zip(one, over, strict=True))

    def age(phase: Phase) -> float:
        return statistics.median(phase.age_ms or [float("nan")])

    return {
        "first picture, s": first,
        "order to effect, median, ms": statistics.median(effects),
        "order to effect, 95th percentile, ms": statistics.quantiles(effects, n=20)[-1],
        "one viewer: presented, Hz": statistics.median(p.rate_hz for p in one),
        "one viewer: CPU, cores": statistics.median(p.cpu for p in one),
        "one viewer: age of the risk, ms": statistics.median(age(p) for p in one),
        "one viewer: seen, Hz": statistics.median(p.seen_hz for p in one),
        f"{MANY} viewers: seen by each, Hz": statistics.median(p.seen_hz for p in many),
        "one viewer: sent, Mbit/s": statistics.median(p.megabits for p in one),
        f"{MANY} viewers: sent to all, Mbit/s": statistics.median(p.megabits for p in many),
        f"{MANY} viewers: presented, ratio": ratio(many, lambda p: p.rate_hz),
        f"{MANY} viewers: CPU, ratio": ratio(many, lambda p: p.cpu),
        f"{MANY} viewers: age of the risk, ratio": ratio(many, age),
        f"{IDLE} idle connections: presented, ratio": ratio(idle, lambda p: p.rate_hz),
        f"{IDLE} idle connections: CPU, ratio": ratio(idle, lambda p: p.cpu),
        f"{IDLE} idle connections: age of the risk, ratio": ratio(idle, age),
        "stalled viewer: pictures held": held,
        "stalled viewer dropped after, s": stalled,
    }


async def _phase(pid: int, port: int, viewers: int, seconds: float) -> Phase:
    stop = asyncio.Event()
    ages: list[float] = []
    watchers = [asyncio.create_task(_watch(port, stop, ages if i == 0 else None)) for i in range(viewers)]
    await asyncio.sleep(1.0)
    ages.clear()
    begin, cpu, presented = time.monotonic(), tree_cpu_seconds(pid), await _presented(port)
    await asyncio.sleep(seconds)
    while (count := await _presented(port) - presented) == 0 and time.monotonic() - begin < START_S:
        await asyncio.sleep(0.1)  # else its rate is unknown
    passed = time.monotonic() - begin
    phase = Phase((tree_cpu_seconds(pid) - cpu) / passed, count / passed, list(ages))
    stop.set()
    seen = await asyncio.gather(*watchers)
    phase.seen_hz = statistics.median(rate for rate, _ in seen)
    phase.megabits = sum(megabits for _, megabits in seen)
    return phase


async def _watch(port: int, stop: asyncio.Event, ages: list[float] | None) -> tuple[float, float]:
    """Look until `stop` and at one picture at least; pictures and megabits a second.

    Whoever is let go, because this process was held up, comes back as a browser does.
    """
    count, size, begin = 0, 0, time.monotonic()
    while not (stop.is_set() and count):
        if not count and time.monotonic() - begin > START_S:
            raise InternalError(f"a viewer has seen no picture in {START_S:.0f} s; are too many looking on?")
        with suppress(ConnectionClosed):
            async with _viewer(port) as viewer:
                while not (stop.is_set() and count):
                    message = await _picture(viewer)
                    await viewer.send("next")
                    count += 1
                    size += len(message)
                    age = _status(message)["record"]["age_ms"] if ages is not None else None
                    if ages is not None and age is not None:
                        ages.append(age)
        if not (stop.is_set() and count):
            await asyncio.sleep(0.1)  # a page that refuses is not asked at once
    passed = time.monotonic() - begin
    return count / passed, 8e-6 * size / passed


def _viewer(port: int) -> connect:
    origin = Origin(f"http://127.0.0.1:{port}")
    return connect(f"ws://127.0.0.1:{port}/live", origin=origin, compression=None, max_size=None)


async def _picture(viewer: ClientConnection) -> bytes:
    """The next picture, which is not acknowledged; what else is said is."""
    while not isinstance(message := await viewer.recv(), bytes):
        if "hello" not in message:
            await viewer.send("next")
    return message


async def _effects(port: int) -> list[float]:
    """Milliseconds from an order to the first picture that shows its effect."""
    took: list[float] = []
    while len(took) < ORDERS:
        with suppress(ConnectionClosed):
            async with _viewer(port) as viewer:
                while len(took) < ORDERS:
                    hidden, begin = len(took) % 2 == 0, time.monotonic()
                    await viewer.send(msgspec.json.encode({"hidden": hidden}).decode())
                    while _status(await _picture(viewer))["hidden"] != hidden:
                        await viewer.send("next")
                    await viewer.send("next")
                    took.append(1000 * (time.monotonic() - begin))
    return took


def _status(message: bytes) -> Any:
    head = int.from_bytes(message[:4], "big")
    return msgspec.json.decode(message[4 : 4 + head])


async def _first_picture(port: int) -> float:
    """From asking for the page, with all that it loads, to the first picture."""
    begin = time.monotonic()
    page = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/")
    for asset in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        await asyncio.to_thread(_get, f"http://127.0.0.1:{port}{asset}")
    async with _viewer(port) as viewer:
        await _picture(viewer)
    return time.monotonic() - begin


async def _stalled(port: int) -> tuple[float, float]:
    """Pictures that a viewer gets who takes one and says nothing more, and how long it is kept, seconds."""
    async with _viewer(port) as viewer:
        await _picture(viewer)
        held, begin = 1, time.monotonic()
        try:
            while True:
                held += isinstance(await viewer.recv(), bytes)
        except ConnectionClosed:
            return held, time.monotonic() - begin


async def _dial(port: int, count: int) -> list[asyncio.StreamWriter]:
    """Connections that never ask for anything; the page lets the oldest go when there are too many."""
    return [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(count)]


async def _presented(port: int) -> float:
    text = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
    found = re.search(r"^sonocart_pictures_presented_total (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def _get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read(), "utf-8")
