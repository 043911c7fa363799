"""Show a live picture with the malignancy risk drawn into it, on a page, into a recording, and into a log.

Examples:
  sonocart run bundle --source phantom: --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --loop --precision int8 --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --pace max --record overlay.mp4 --log session.jsonl --json

The picture passes whatever becomes of the network; a risk that may not be trusted is withheld and says why.
Ctrl-C or SIGTERM ends the run and leaves a playable recording.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge.contract.bundle import Bundle, open_bundle
from edge.contract.roi import Roi
from edge.contract.signing import load_trust
from edge.contract.spec import PRECISIONS
from edge.engines.base import Engine
from edge.engines.worker import EngineWorker
from edge.errors import TransferError, UsageError
from edge.exam.desk import Choices, Desk
from edge.exam.examination import Examination
from edge.exam.reading import Identity
from edge.loop import Output, Parts, run_loop
from edge.outputs.log import SessionLog
from edge.outputs.recorder import Recorder
from edge.outputs.writable import require_writable
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.sources.open import open_source
from edge.timing import Timing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder made by sonocart export")
    parser.add_argument(
        "--source",
        required=True,
        help="a video file, or phantom: for the synthetic scanner; with faults:SCRIPT; in front",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default fp32")
    parser.add_argument("--operating-point", metavar="NAME", help="default: the model's own")
    parser.add_argument("--roi", type=Roi.parse, metavar="X,Y,W,H", help="region in pixels; default: found")
    parser.add_argument(
        "--trust", type=Path, metavar="FOLDER", help="refuse a bundle that no key in this folder signed"
    )
    parser.add_argument("--page", metavar="HOST:PORT", help="serve the live picture, on loopback")
    parser.add_argument("--record", type=Path, metavar="OUT.mp4", help="record the picture with the overlay")
    parser.add_argument("--log", type=Path, metavar="OUT.jsonl", help="one JSON object a presented frame")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end after N seconds of video")
    parser.add_argument("--loop", action="store_true", help="begin a file again at its end")
    parser.add_argument(
        "--pace",
        type=Pace,
        choices=list(Pace),
        default=Pace.LIVE,
        metavar="{live,max}",
        help="live: as a scanner, newest frame only; max: every frame, as fast as possible (default live)",
    )
    parser.add_argument("--json", action="store_true", help="print the summary with all stage times as JSON")


def main(args: argparse.Namespace) -> int:
    """Run until the source ends, the time is over or a signal comes."""
    _refuse_overwriting(args)
    bundle = open_bundle(args.bundle, None if args.trust is None else load_trust(args.trust))
    bundle.model(args.precision)
    point = bundle.spec.point(args.operating_point)
    identity = Identity(bundle.spec.name, bundle.id, args.precision)
    desk = Desk(bundle.spec, Choices(args.roi, point))
    timing, stop = Timing(), threading.Event()
    with ExitStack() as stack:
        for path, what in ((args.record, "recording"), (args.log, "log")):
            if path is not None:
                require_writable(path, what)
        outputs: list[Output] = []
        if args.page is not None:
            outputs.append(_start_page(args.page, identity, desk, timing, stack))
        source = open_source(args.source, pace=args.pace, repeat=args.loop)
        stack.callback(source.close)
        bounds = Roi(0, 0, source.info.width, source.info.height)
        if args.roi is not None and not args.roi.inside(bounds):
            raise UsageError(f"--roi leaves the picture of {bounds.width}x{bounds.height} pixels")
        worker = EngineWorker(partial(_checked_engine, bundle, args.precision), timing)
        stack.callback(worker.close)
        worker.wait_ready()
        log = None
        if args.log is not None:
            log = SessionLog(args.log)
            outputs.append(log)
            stack.callback(log.close)
        recorder = None
        if args.record is not None:
            recorder = Recorder(args.record, source.info.rate, timing, wait=args.pace is Pace.MAX)
            outputs.append(recorder)
            stack.callback(recorder.close)
        capture = Capture(source, args.pace, timing, limit_s=args.seconds)
        stack.callback(capture.close)
        if args.seconds is not None and args.pace is Pace.LIVE:  # also where no frame ever comes
            timer = threading.Timer(args.seconds + 0.5, stop.set)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
        examination = Examination(bundle.spec.preprocessing.region)
        parts = Parts(
            capture,
            worker,
            examination,
            bundle.spec.preprocessing,
            identity,
            desk,
            tuple(outputs),
            timing,
            args.pace,
            stop,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *_: stop.set())
            stack.callback(signal.signal, number, before)
        capture.start()
        presented = run_loop(parts)
    _report(args, presented, parts, recorder)
    if not presented:
        for path in (args.record, args.log):
            if path is not None and path.stat().st_size == 0:
                path.unlink()  # nothing came, so nothing is left
    if capture.failure is not None:
        raise capture.failure
    failures = [output.failure for output in (recorder, log) if output is not None and output.failure]
    if failures:
        raise TransferError("; ".join(failures))
    return 0


def _refuse_overwriting(args: argparse.Namespace) -> None:
    """An output must be neither the source nor the other output."""
    source = Path(args.source.rpartition(";")[2])
    for option, path in (("--record", args.record), ("--log", args.log)):
        if path is not None and path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"{option} {path} is the source itself; give another file")
    if args.record is not None and args.log is not None and args.record.absolute() == args.log.absolute():
        raise UsageError(f"--record and --log are the same file, {args.log}; give two")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"found '{text}', expected a number of seconds above 0")
    return value


def _start_page(address: str, identity: Identity, desk: Desk, timing: Timing, stack: ExitStack) -> Output:
    from edge.outputs.page.hub import Hub
    from edge.outputs.page.server import PageServer, parse_address

    host, port = parse_address(address)
    hub = Hub(identity, desk, timing)
    stack.callback(hub.close)
    server = PageServer(host, port, hub)
    stack.callback(server.close)
    server.start()
    print(f"page: {server.url}", file=sys.stderr, flush=True)
    return hub


def _checked_engine(bundle: Bundle, precision: str) -> Engine:
    """An engine that has passed its golden frames; half of the cores are left to capture and drawing."""
    from edge.engines.choose import open_engine
    from edge.engines.golden import check_golden

    engine = open_engine(bundle, precision, threads=max(1, (os.cpu_count() or 2) // 2))
    check_golden(bundle, engine, precision)
    return engine


def _report(args: argparse.Namespace, presented: int, parts: Parts, recorder: Recorder | None) -> None:
    stages = parts.timing.summary()
    counts = {
        "captured": parts.capture.count,
        "presented": presented,
        "dropped": parts.capture.frames.dropped,
        "risks": parts.examination.risks,
        "failures": parts.examination.failures,
        "recorded": 0 if recorder is None else recorder.written,
        "recording_dropped": 0 if recorder is None else recorder.dropped,
    }
    if args.json:
        times = {name: asdict(stage) for name, stage in stages.items()}
        print(json.dumps({**counts, "engine": parts.worker.engine, "stages": times}))
        return
    frame = stages.get("frame")
    infer = stages.get("infer")
    print(
        f"{counts['captured']} frames captured, {presented} presented, {counts['dropped']} dropped, "
        f"{counts['risks']} risks"
        + (f"; frame p50 {frame.p50_ms:.1f} p99 {frame.p99_ms:.1f} ms" if frame else "")
        + (f", network p50 {infer.p50_ms:.1f} p99 {infer.p99_ms:.1f} ms" if infer else "")
    )
