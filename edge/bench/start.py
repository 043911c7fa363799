"""`sonocart bench start`: how long a cold `sonocart run` takes to its first picture and its first risk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.bench.compose import compose
from edge.bench.conditions import Watch, tree_memory_mb
from edge.bench.result import Result, Settings, make_track
from edge.contract.bundle import Bundle
from edge.errors import InternalError
from edge.outputs.log import Record

DEADLINE_S = 60.0
_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Start:
    """Of one run: seconds from its creation, and its processes' memory a second after the first risk."""

    first_picture_s: float
    first_risk_s: float
    resident_mb: float


def measure_start(
    bundle: Bundle,
    arguments: Sequence[str],
    runs: int,
    settings: Settings,
    progress: Callable[[float], None],
) -> Result:
    """Start `sonocart run` with `arguments` so many times and watch its log.

    A picture counts as presented when its line is in the log, which is one of the outputs it is handed to.

    Raises:
        InternalError: a run ended, or showed no risk within `DEADLINE_S`.
    """
    watch = Watch()
    starts = []
    for number in range(runs):
        starts.append(start_once(["run", str(bundle.path), *arguments]))
        watch.look()
        progress((number + 1) / runs)
    tracks = [
        make_track(name, range(runs), range(runs), [1000 * value for value in values])
        for name, values in (
            ("start to first picture", [start.first_picture_s for start in starts]),
            ("start to first risk", [start.first_risk_s for start in starts]),
        )
    ]
    return compose(
        "start",
        bundle,
        {"run": " ".join(arguments)},
        settings,
        watch.conditions(),
        tracks,
        figures={"memory with decoder and engine, MB": round(max(start.resident_mb for start in starts), 1)},
        notes=[
            "The first run reads from disk what later ones find in memory. Memory is the largest "
            "of the runs: the proportional set size of all its processes."
        ],
    )


def start_once(arguments: Sequence[str]) -> Start:
    """One process, from its creation to a second after its first risk; then it is stopped."""
    with tempfile.TemporaryDirectory(prefix="sonocart-bench-") as folder:
        log = Path(folder) / "log.jsonl"
        errors = Path(folder) / "errors"
        begin = time.monotonic()
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge", *arguments, "--log", str(log)],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            picture = risk = 0.0
            while not risk:
                if process.poll() is not None or time.monotonic() - begin > DEADLINE_S:
                    raise InternalError(f"sonocart run showed no risk: {errors.read_text()[-500:].strip()}")
                time.sleep(_POLL_S)
                records = _records(log)
                picture = picture or (time.monotonic() - begin if records else 0.0)
                if any(record.risk is not None for record in records):
                    risk = time.monotonic() - begin
            time.sleep(1.0)
            resident = tree_memory_mb(process.pid)
        finally:
            process.terminate()
            process.wait()
    return Start(picture, risk, resident)


def _records(log: Path) -> list[Record]:
    """The whole lines that are in the log by now."""
    try:
        lines = log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:  # not yet, or only tried whether it can be written
        return []
    return [msgspec.json.decode(line, type=Record) for line in lines]
