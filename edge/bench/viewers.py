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
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from edge.bench.conditions import tree_cpu_seconds
from edge.errors import InternalError

MANY = 50
IDLE = 1000
START_S = 60.0


@dataclass(slots=True)
class Phase:
    """What was seen in one turn."""

    cpu: float  # seconds of CPU of the cart's processes, a second
    rate_hz: float  # presented pictures
    age_ms: list[float] = field(default_factory=list)  # of the risk, on each picture that a viewer got
    seen_hz: float = 0.0  # pictures that a viewer got


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
    stalled = await _stalled(port)

    def ratio(over: list[Phase], value: Callable[[Phase], float]) -> float:
        return statistics.median(value(b) / value(a) for a, b in zip(one, over, strict=True))

    def age(phase: Phase) -> float:
        return statistics.median(phase.age_ms or [float("nan")])

    return {
        "first picture, s": first,
        "one viewer: presented, Hz": statistics.median(p.rate_hz for p in one),
        "one viewer: CPU, cores": statistics.median(p.cpu for p in one),
        "one viewer: age of the risk, ms": statistics.median(age(p) for p in one),
        "one viewer: seen, Hz": statistics.median(p.seen_hz for p in one),
        f"{MANY} viewers: seen by each, Hz": statistics.median(p.seen_hz for p in many),
        f"{MANY} viewers: presented, ratio": ratio(many, lambda p: p.rate_hz),
        f"{MANY} viewers: CPU, ratio": ratio(many, lambda p: p.cpu),
        f"{MANY} viewers: age of the risk, ratio": ratio(many, age),
        f"{IDLE} idle connections: presented, ratio": ratio(idle, lambda p: p.rate_hz),
        f"{IDLE} idle connections: CPU, ratio": ratio(idle, lambda p: p.cpu),
        f"{IDLE} idle connections: age of the risk, ratio": ratio(idle, age),
        "stalled viewer dropped after, s": stalled,
    }


async def _phase(pid: int, port: int, viewers: int, seconds: float) -> Phase:
    stop = asyncio.Event()
    ages: list[float] = []
    watchers = [asyncio.create_task(_watch(port, stop, ages if i == 0 else [])) for i in range(viewers)]
    await asyncio.sleep(1.0)
    ages.clear()
    begin, cpu, presented = time.monotonic(), tree_cpu_seconds(pid), await _presented(port)
    await asyncio.sleep(seconds)
    passed = time.monotonic() - begin
    phase = Phase(
        (tree_cpu_seconds(pid) - cpu) / passed, (await _presented(port) - presented) / passed, list(ages)
    )
    stop.set()
    phase.seen_hz = statistics.median(await asyncio.gather(*watchers))
    return phase


async def _watch(port: int, stop: asyncio.Event, ages: list[float]) -> float:
    """Look until `stop`; pictures a second."""
    origin, count, begin = Origin(f"http://127.0.0.1:{port}"), 0, time.monotonic()
    async with connect(
        f"ws://127.0.0.1:{port}/live",
        origin=origin,
        compression=None,
        max_size=None,
    ) as viewer:
        while not stop.is_set():
            message = await viewer.recv()
            if isinstance(message, bytes):
                await viewer.send("next")
                count += 1
                head = int.from_bytes(message[:4], "big")
                age = msgspec.json.decode(message[4 : 4 + head])["record"]["age_ms"]
                if age is not None:
                    ages.append(age)
            elif "hello" not in message:
                await viewer.send("next")
    return count / (time.monotonic() - begin)


async def _first_picture(port: int) -> float:
    begin = time.monotonic()
    origin = Origin(f"http://127.0.0.1:{port}")
    async with connect(f"ws://127.0.0.1:{port}/live", origin=origin, max_size=None) as viewer:
        while not isinstance(await viewer.recv(), bytes):
            pass
    return time.monotonic() - begin


async def _stalled(port: int) -> float:
    """How long a viewer that takes one picture and says nothing more is kept."""
    origin = Origin(f"http://127.0.0.1:{port}")
    async with connect(f"ws://127.0.0.1:{port}/live", origin=origin, max_size=None) as viewer:
        while not isinstance(await viewer.recv(), bytes):
            pass
        begin = time.monotonic()
        try:
            while True:
                await viewer.recv()
        except ConnectionClosed:
            return time.monotonic() - begin


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
