"""Compile a bundle's graph with TensorRT for the GPU of this machine, and prove the result."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress, TaskID

from calibration.plan import Report, Settings, build_plan
from calibration.report import read_report
from edge.atomic import new_file
from edge.contract.bundle import Bundle, NewFile, amend_bundle, model_file, open_bundle
from edge.contract.signature_loss import telling_of_signature
from edge.engines.cuda import load_driver
from edge.engines.golden import check_golden
from edge.engines.tensorrt import TensorrtEngine
from edge.engines.tensorrt_key import Sidecar, machine_key, plan_file, require_pycuda, sidecar_file
from edge.engines.tensorrt_layers import count_precisions, read_layers, table
from edge.errors import NoInputError, UsageError

_MIB = 1 << 20


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    if args.workspace < 1:
        raise UsageError(f"--workspace is {args.workspace}, expected 1 MiB or more")
    settings = Settings(args.workspace * _MIB, args.optimization_level, args.dla)
    bundle = open_bundle(args.bundle)
    cache = _read_cache(args.timing_cache)
    with telling_of_signature(args.bundle), _progress() as report, _cancel_on_interrupt() as cancelled:
        sidecar, cache = build(bundle, args.precision, settings, cache, report, cancelled)
    if args.timing_cache is not None:
        with new_file(args.timing_cache) as partial:
            partial.write_bytes(cache)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(sidecar), indent=2).decode())
        return 0
    print(table(sidecar.layers))
    counts = ", ".join(f"{number} in {name}" for name, number in count_precisions(sidecar.layers).items())
    print(f"engine {sidecar.key.id} for {sidecar.key}")
    print(f"{len(sidecar.layers)} layers: {counts}; golden frames differ by {sidecar.golden_difference:.5f}")
    return 0


def build(
    bundle: Bundle,
    precision: str,
    settings: Settings,
    timing_cache: bytes,
    progress: Report,
    cancelled: threading.Event,
) -> tuple[Sidecar, bytes]:
    """Build, prove and add an engine to `bundle`.

    Args:
        bundle: with a graph of `precision`; replaced on disk.
        precision: to compile.
        settings: how.
        timing_cache: of an earlier build here, or empty.
        progress: told the phases and their steps.
        cancelled: set it to give up.

    Returns:
        What stands beside the plan, and the timing cache for the next build.

    Raises:
        UnavailableError: no GPU, no TensorRT that is new enough, or no pycuda.
        DataError: TensorRT cannot read the graph.
        InternalError: the build failed, or the golden frames do not hold. The bundle is as it was.
        KeyboardInterrupt: `cancelled` was set.
    """
    report = read_report(bundle, precision)
    driver = load_driver()
    key = machine_key(bundle, precision, driver, settings.dla)
    require_pycuda()  # before the plan is compiled, which takes minutes
    plan = build_plan(bundle.model(precision), settings, timing_cache, progress, cancelled)
    engine = TensorrtEngine(plan.data, bundle.spec, precision, driver, dla=settings.dla)
    try:
        sidecar = Sidecar(
            key=key,
            calibration_sha256=report.calibration_sha256 if report else None,
            golden_difference=check_golden(bundle, engine, precision),
            device_memory=engine.device_memory,
            layers=read_layers(engine.layers()),
        )
    finally:
        engine.close()
    parent = model_file(precision)
    amend_bundle(
        bundle,
        {
            plan_file(key): NewFile(plan.data, parent),
            sidecar_file(key): NewFile(msgspec.json.encode(sidecar), parent),
        },
    )
    return sidecar, plan.timing_cache


def _read_cache(path: Path | None) -> bytes:
    if path is None or not path.exists():
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoInputError(f"cannot read the timing cache '{path}': {error.strerror}") from error


@contextmanager
def _progress() -> Iterator[Report]:
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def report(phase: str, parent: str | None, done: int, steps: int) -> None:
            if phase not in tasks:
                indent = "  " * (parent in tasks)
                tasks[phase] = progress.add_task(f"{indent}{phase}", total=steps)
            progress.update(tasks[phase], completed=done, total=max(steps, 1))

        yield report


@contextmanager
def _cancel_on_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C becomes an event: an exception must not fly through TensorRT's C++."""
    cancelled = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: cancelled.set())
    try:
        yield cancelled
    finally:
        signal.signal(signal.SIGINT, before)
