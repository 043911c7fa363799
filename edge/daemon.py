"""Show a live picture with the malignancy risk drawn into it, on a page, into a recording, and into a log.

Examples:
  sonocart run bundle --source phantom: --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --loop --precision int8 --page 127.0.0.1:8080
  sonocart run bundle --source clip.mp4 --pace max --record overlay.mp4 --log session.jsonl --json
  sonocart run --config cart.toml --page 127.0.0.1:9000

The picture passes whatever becomes of the network; a risk that may not be trusted is withheld and says why. A
precision that was judged on too few malignant cases runs, and the picture says so beside the model's name.
Ctrl-C or SIGTERM ends the run and leaves a playable recording.

Without BUNDLE the settings are those of /etc/sonocart/sonocart.toml; options replace what a file says.
SIGHUP reads the file again. `sonocart config example` shows all settings, `config check` a file's faults.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge.blackbox.box import BlackBox
from edge.blackbox.recording import Subject
from edge.contract.bundle import Bundle
from edge.contract.qualification import report_file, shown_precision
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.base import Engine
from edge.engines.choose import open_checked
from edge.engines.process import EngineProcess
from edge.engines.worker import EngineWorker
from edge.errors import TransferError, UsageError
from edge.exam.desk import Choices, Desk
from edge.exam.examination import Examination
from edge.exam.performance import read_performance
from edge.exam.profiles import Profiles
from edge.exam.reading import Identity
from edge.heat import Thermometer
from edge.loop import Output, Parts, run_loop
from edge.outputs.log import SessionLog
from edge.outputs.recorder import Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.screen import Screen
from edge.outputs.writable import require_writable
from edge.service.config import SYSTEM_FILE, read_settings
from edge.service.fields import add_options, overrides
from edge.service.journal import journal, set_level
from edge.service.keep import PATIENT, recordings_of, start_dicom, start_recorders
from edge.service.lock import only_instance
from edge.service.model import baseline_of, ready_model
from edge.service.notify import Heartbeat, Notifier
from edge.service.reload import Reload
from edge.settings import Settings
from edge.sources.base import Pace
from edge.sources.capture import Capture
from edge.sources.open import open_source
from edge.timing import Timing

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "bundle", type=Path, nargs="?", metavar="BUNDLE", help="folder made by sonocart export"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML; default without BUNDLE: " + f"{SYSTEM_FILE}"
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary with all stage times as JSON")


def main(args: argparse.Namespace) -> int:
    """Run until the source ends, the time is over or a signal comes."""
    file = SYSTEM_FILE if args.config is None and args.bundle is None else args.config
    given = overrides(args) | ({} if args.bundle is None else {"model.bundle": args.bundle})
    read = partial(read_settings, file, given)
    settings = read()
    with ExitStack() as stack:
        stack.enter_context(journal(settings.service.log_level))
        if settings.service.lock is not None:
            stack.enter_context(only_instance(settings.service.lock))
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
        stack.callback(notifier.close)
        return _serve(settings, Reload(read, settings, notifier), notifier, args.json)


def _serve(settings: Settings, reload: Reload, notifier: Notifier, as_json: bool) -> int:
    """Assemble the parts, run the loop, take the parts down and say what came of it."""
    source_address, bundle_path = settings.source.address, settings.model.bundle
    if source_address is None or bundle_path is None:
        missing = "BUNDLE" if bundle_path is None else "--source"
        raise UsageError(f"no {missing} is given, nor set in a configuration. Run: sonocart run --help")
    video, log_path, pace = settings.recording.video, settings.recording.log, settings.source.pace
    _refuse_overwriting(source_address, video, log_path)
    timing, stop, recordings = Timing(), threading.Event(), recordings_of(settings)
    with ExitStack() as stack:
        bundle, worker = ready_model(
            settings.model, bundle_path, lambda found: EngineWorker(_engine_maker(settings, found), timing)
        )
        stack.callback(worker.close)
        precision = settings.model.precision
        shown = shown_precision(bundle, precision)
        if shown != precision:
            logger.warning("%s: see %s in the bundle", shown, report_file(precision))
        identity = Identity(bundle.spec.name, bundle.id, shown)
        point = bundle.spec.point(settings.model.operating_point)
        desk = Desk(bundle.spec, Choices(_roi(settings), point))
        reload.on("model.roi", lambda new: desk.choose(roi=_roi(new)))
        reload.on(
            "model.operating_point",
            lambda new: desk.choose(point=bundle.spec.point(new.model.operating_point)),
        )
        reload.on("service.log_level", lambda new: set_level(new.service.log_level))
        for setting in PATIENT:
            reload.on(setting, lambda _: desk.new_case())  # another patient is another case
        for path, what in ((video, "recording"), (log_path, "log")):
            if path is not None:
                require_writable(path, what)
        outputs: list[Output] = []
        if settings.page.address is not None:
            outputs += _start_page(settings, bundle, identity, desk, timing, recordings, stack)
        if settings.screen.full:
            screen = Screen(desk, stop.set)
            outputs.append(screen)
            stack.callback(screen.close)
        source = open_source(source_address, pace=pace, repeat=settings.source.loop)
        stack.callback(source.close)
        roi, bounds = desk.choices.roi, Roi(0, 0, source.info.width, source.info.height)
        if roi is not None and not roi.inside(bounds):
            raise UsageError(f"--roi leaves the picture of {bounds.width}x{bounds.height} pixels")
        log = None
        if log_path is not None:
            log = SessionLog(log_path)
            outputs.append(log)
            stack.callback(log.close)
        # Before the recorders, so that it ends after them and keeps what they finish last.
        outputs += start_dicom(settings, lambda: reload.settings, bundle, shown, desk, recordings, stack)
        recorders = start_recorders(settings, recordings, identity, source.info.rate, timing, desk)
        for recorder in recorders:
            outputs.append(recorder)
            stack.callback(recorder.close)
        seconds = settings.limits.seconds
        capture = Capture(source, pace, timing, limit_s=seconds)
        stack.callback(capture.close)
        if seconds is not None and pace is Pace.LIVE:  # also where no frame ever comes
            timer = threading.Timer(seconds + 0.5, stop.set)
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
        outputs.append(Heartbeat(notifier))  # the last one: it says that the others have been served
        profiles = Profiles(settings.source.profiles)
        examination = Examination(bundle.spec.preprocessing.region, bundle.spec.ood_threshold, profiles)
        box = _start_box(settings, bundle, worker.engine, point, stack)
        thermometer = Thermometer()
        thermometer.start()
        stack.callback(thermometer.close)
        parts = Parts(
            capture,
            worker,
            examination,
            bundle.spec.preprocessing,
            identity,
            desk,
            tuple(outputs),
            timing,
            pace,
            stop,
            box,
            thermometer,
        )
        reload.start()
        stack.callback(reload.close)
        _handle(signal.SIGHUP, reload.ask, stack)
        for number in (signal.SIGINT, signal.SIGTERM):
            _handle(number, stop.set, stack)
        capture.start()
        notifier.ready("waiting for a picture")
        presented = run_loop(parts)
        notifier.stopping()
    if presented and not examination.risks:
        reason = examination.lacking() or "what it said is in --log"
        logger.warning("none of %d pictures got a risk: %s", presented, reason)
    _report(as_json, presented, parts, recorders)
    if not presented and log_path is not None and log_path.stat().st_size == 0:
        log_path.unlink()  # nothing came, so nothing is left
    if capture.failure is not None:
        raise capture.failure
    failures = [output.failure for output in (*recorders, log) if output is not None and output.failure]
    if failures:
        raise TransferError("; ".join(failures))
    return 0


def _start_box(
    settings: Settings, bundle: Bundle, engine: str, point: OperatingPoint, stack: ExitStack
) -> BlackBox | None:
    """The black box, if a folder for its files is set."""
    folder, size = settings.recording.black_box, bundle.spec.preprocessing
    if folder is None:
        return None
    subject = Subject(
        bundle.spec.name, bundle.id, settings.model.precision, engine, point.name, point.threshold
    )
    box = BlackBox(size.width, size.height, subject, folder)
    stack.callback(box.close)
    _handle(signal.SIGUSR1, lambda: box.request("asked for by signal"), stack)
    return box


def _roi(settings: Settings) -> Roi | None:
    return None if settings.model.roi is None else Roi(*settings.model.roi)


def _handle(number: signal.Signals, action: Callable[[], None], stack: ExitStack) -> None:
    """Let a signal do `action` until `stack` is closed."""
    before = signal.signal(number, lambda *_: action())
    stack.callback(signal.signal, number, before)


def _refuse_overwriting(source_address: str, video: Path | None, log: Path | None) -> None:
    """An output must be neither the source nor the other output."""
    source = Path(source_address.rpartition(";")[2])
    for option, path in (("--record", video), ("--log", log)):
        if path is not None and path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"{option} {path} is the source itself; give another file")
    if video is not None and log is not None and video.absolute() == log.absolute():
        raise UsageError(f"--record and --log are the same file, {log}; give two")


def _start_page(
    settings: Settings,
    bundle: Bundle,
    identity: Identity,
    desk: Desk,
    timing: Timing,
    recordings: Recordings | None,
    stack: ExitStack,
) -> list[Output]:
    from edge.outputs.metrics import Metrics
    from edge.outputs.page.access import read_tokens
    from edge.outputs.page.hub import Hub
    from edge.outputs.page.server import PageServer, parse_address
    from edge.outputs.page.serving import Serving

    page = settings.page
    assert page.address is not None
    host, port = parse_address(page.address)
    tokens = None if page.tokens is None else read_tokens(page.tokens)
    serving = Serving(tokens, page.certificate, page.key, page.hosts, page.viewers, recordings)
    metrics = Metrics(identity, timing, baseline_of(settings.model, bundle))
    hub = Hub(identity, desk, timing, read_performance(bundle))
    stack.callback(hub.close)
    server = PageServer(host, port, hub, metrics, serving)
    stack.callback(server.close)
    server.start()
    logger.info("page: %s", server.url)
    return [metrics, hub]


def _engine_maker(settings: Settings, bundle: Bundle) -> Callable[[], Engine]:
    """Makes checked engines, in a process of their own that may be killed, unless the site wants a thread."""
    threads = max(1, (os.cpu_count() or 2) // 2)  # half of the cores are left to capture and drawing
    checked = partial(open_checked, bundle, settings.model.precision, threads=threads)
    return partial(EngineProcess, checked) if settings.model.own_process else checked


def _report(as_json: bool, presented: int, parts: Parts, recorders: list[Recorder]) -> None:
    stages = parts.timing.summary()
    counts = {
        "captured": parts.capture.count,
        "presented": presented,
        "dropped": parts.capture.frames.dropped,
        "lost": parts.capture.lost,
        "risks": parts.examination.risks,
        "failures": parts.examination.failures,
        "recorded": sum(recorder.written for recorder in recorders),
        "recording_dropped": sum(recorder.dropped for recorder in recorders),
    }
    if as_json:
        times = {name: asdict(stage) for name, stage in stages.items()}
        print(json.dumps({**counts, "engine": parts.worker.engine, "stages": times}))
        return
    frame = stages.get("frame")
    infer = stages.get("infer")
    print(
        f"{counts['captured']} frames captured, {presented} presented, {counts['dropped']} dropped, "
        f"{counts['lost']} lost by the source, "
        f"{counts['risks']} risks computed"
        + (f"; frame p50 {frame.p50_ms:.1f} p99 {frame.p99_ms:.1f} ms" if frame else "")
        + (f", network p50 {infer.p50_ms:.1f} p99 {infer.p99_ms:.1f} ms" if infer else "")
    )
