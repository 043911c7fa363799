"""Show a live picture with the malignancy risk drawn into it, on a page, into a recording, and into a log."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from edge.blackbox.box import BlackBox
from edge.blackbox.recording import Subject
from edge.closing import SPARE_S, Closing
from edge.contract.bundle import Bundle
from edge.contract.passport import Running
from edge.contract.qualification import report_file, shown_precision
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.base import Engine
from edge.engines.choose import open_checked
from edge.engines.process import EngineProcess
from edge.engines.worker import EngineWorker
from edge.errors import TransferError, UnavailableError, UsageError
from edge.exam.desk import Choices, Desk
from edge.exam.examination import Examination
from edge.exam.performance import read_performance
from edge.exam.profiles import Profiles
from edge.exam.reading import Identity
from edge.exam.spread import read_spread
from edge.heat import Thermometer
from edge.loop import Output, Parts, run_loop
from edge.outputs.log import SessionLog
from edge.outputs.metrics import Metrics
from edge.outputs.reception import Reception
from edge.outputs.recorder import Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.screen import Screen
from edge.outputs.writable import require_writable
from edge.service.config import SYSTEM_FILE, read_settings
from edge.service.fields import overrides
from edge.service.journal import JournalHandler, journal, set_level
from edge.service.keep import (
    PATIENT,
    another_patient,
    reception_of,
    recordings_of,
    start_dicom,
    start_recorders,
)
from edge.service.lock import only_instance
from edge.service.model import baseline_of, passport_of, ready_model
from edge.service.notify import Heartbeat, Notifier
from edge.service.reload import Reload
from edge.settings import Settings
from edge.sources.base import Counting, FrameSource, Pace
from edge.sources.capture import Capture
from edge.sources.open import open_source
from edge.timing import Timing
from edge.urgency import PICTURE, VIEWERS

logger = logging.getLogger(__name__)


def main(args: argparse.Namespace) -> int:
    """Run until the source ends, the time is over or a signal comes."""
    file = SYSTEM_FILE if args.config is None and args.bundle is None else args.config
    given = overrides(args) | ({} if args.bundle is None else {"model.bundle": args.bundle})
    read = partial(read_settings, file, given)
    settings = read()
    with ExitStack() as stack:
        handler = stack.enter_context(journal(settings.service.log_level))
        if settings.service.lock is not None:
            stack.enter_context(only_instance(settings.service.lock))
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
        stack.callback(notifier.close)
        return _serve(settings, Reload(read, settings, notifier), notifier, handler, args.json)


def _serve(
    settings: Settings, reload: Reload, notifier: Notifier, handler: JournalHandler, as_json: bool
) -> int:
    """Assemble the parts, run the loop, take the parts down and say what came of it."""
    source_address, bundle_path = settings.source.address, settings.model.bundle
    if source_address is None or bundle_path is None:
        missing = "BUNDLE" if bundle_path is None else "--source"
        raise UsageError(f"no {missing} is given, nor set in a configuration. Run: sonocart run --help")
    video, log_path, pace = settings.recording.video, settings.recording.log, settings.source.pace
    _refuse_overwriting(source_address, video, log_path)
    timing, recordings = Timing(), recordings_of(settings)
    stop, late = threading.Event(), threading.Event()  # asked to end; the time is over
    with ExitStack() as stack:
        # The decoder's process starts while the engine's does; a live source would only grow old.
        opening = None
        if Path(source_address).is_file():
            opening = stack.enter_context(ThreadPoolExecutor(1)).submit(
                open_source, source_address, pace=pace, repeat=settings.source.loop
            )
            stack.callback(_close_opened, opening)
        unaudited: list[str] = []
        bundle, worker = ready_model(
            settings.model,
            bundle_path,
            lambda found: EngineWorker(_engine_maker(settings, found), timing),
            unaudited.append,
        )
        stack.callback(worker.close)
        precision = settings.model.precision
        shown = shown_precision(bundle, precision)
        if shown != precision:
            logger.warning("%s: see %s in the bundle", shown, report_file(precision))
        passport = passport_of(
            settings.model, bundle, lambda: _running(bundle, settings.model.precision, worker.engine)
        )
        baseline = baseline_of(settings.model, bundle)  # also where no page shows the drift
        spread = read_spread(bundle)
        if not spread.sweeps:
            logger.warning("interval %s", spread.words)
        identity = Identity(bundle.spec.name, bundle.id, shown, passport)
        point = bundle.spec.point(settings.model.operating_point)
        desk = Desk(bundle.spec, Choices(_roi(settings), point))
        for words in unaudited:
            desk.note("audit", words)
        reload.on("model.roi", lambda new: desk.choose(roi=_roi(new)))
        reload.on(
            "model.operating_point",
            lambda new: desk.choose(point=bundle.spec.point(new.model.operating_point)),
        )
        reload.on("service.log_level", lambda new: set_level(new.service.log_level))
        reception = reception_of(settings, desk)
        another = partial(another_patient, desk, reception)
        for setting in PATIENT:
            reload.on(setting, another)
        closing = Closing()
        box = _start_box(settings, bundle, worker.engine, point, desk, stack, closing)
        for path, what in ((video, "recording"), (log_path, "log")):
            if path is not None:
                require_writable(path, what)
        outputs: list[Output] = []
        metrics = Metrics(identity, timing, baseline)
        if settings.page.address is not None:
            outputs += _start_page(
                settings, bundle, identity, metrics, desk, timing, recordings, reception, stack
            )
        if settings.screen.full:
            screen = Screen(desk, stop.set)
            outputs.append(screen)
            stack.callback(screen.close)
        if opening is not None:
            source = opening.result()
        else:
            source = open_source(source_address, pace=pace, repeat=settings.source.loop)
            stack.callback(source.close)
        roi, size = desk.choices.roi, source.info
        if roi is not None and size.width and not roi.inside(Roi(0, 0, size.width, size.height)):
            raise UsageError(f"--roi leaves the picture of {size.width}x{size.height} pixels")
        log = None
        if log_path is not None:
            log = SessionLog(log_path)
            outputs.append(log)
            stack.callback(log.close)
        # Before the recorders, so that it ends after them and keeps what they finish last.
        outputs += start_dicom(settings, bundle, identity, desk, reception, recordings, stack, closing)
        recorders = start_recorders(settings, recordings, identity, source.info.rate, timing, desk)
        for recorder in recorders:
            outputs.append(recorder)
            stack.callback(closing.close, recorder, SPARE_S)
        seconds = settings.limits.seconds
        rank = PICTURE if pace is Pace.LIVE else None
        capture = Capture(source, pace, timing, limit_s=seconds, rank=rank)
        stack.callback(capture.close)
        if seconds is not None and pace is Pace.LIVE:  # also where no frame ever comes
            timer = threading.Timer(seconds + 0.5, _set_all, (late, stop))
            timer.daemon = True
            timer.start()
            stack.callback(timer.cancel)
        outputs.append(Heartbeat(notifier))  # the last one: it says that the others have been served
        profiles = Profiles(settings.source.profiles)
        examination = Examination(
            bundle.spec.preprocessing.region, bundle.spec.ood_threshold, profiles, spread, source.info.field
        )
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
            rank,
        )
        _watch(metrics, parts, source, log, handler)
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
        if Path(source_address).is_dir():
            logger.warning(
                "a folder is played as a clip, in which each still is another scene. Give one image, or run: "
                "sonocart accept BUNDLE --cases FOLDER"
            )
    _warn_of_gaps(recorders)
    _report(as_json, presented, parts, recorders)
    if not presented and log_path is not None and log_path.stat().st_size == 0:
        log_path.unlink()  # nothing came, so nothing is left
    if capture.failure is not None:
        raise capture.failure
    failures = [output.failure for output in (*recorders, log) if output is not None and output.failure]
    if failures:
        raise TransferError("; ".join(failures))
    if not presented and (late.is_set() or not stop.is_set()):  # nobody has asked it to end
        found = capture.outage or (
            f"none within {seconds:g} s" if late.is_set() else "it has ended without one"
        )
        raise UnavailableError(f"no picture came from '{source.info.name}': {found}")
    return 0


def _running(bundle: Bundle, precision: str, engine: str) -> Running:
    """What a passport must speak of; `passport` describes the machine by the same words."""
    from edge.bench.environment import read_environment

    machine = read_environment()
    return Running(bundle.id, precision, engine, machine.board, machine.cpu)


def _start_box(
    settings: Settings,
    bundle: Bundle,
    engine: str,
    point: OperatingPoint,
    desk: Desk,
    stack: ExitStack,
    closing: Closing,
) -> BlackBox | None:
    """The black box, if a folder for its files is set."""
    folder, size = settings.recording.black_box, bundle.spec.preprocessing
    if folder is None:  # whoever asks all the same must not end the picture
        _handle(signal.SIGUSR1, lambda: logger.warning("no black box: set [recording] black_box"), stack)
        return None
    subject = Subject(
        bundle.spec.name, bundle.id, settings.model.precision, engine, point.name, point.threshold
    )
    tell = partial(desk.note, "black box")
    desk.black_box = (box := BlackBox(size.width, size.height, subject, folder, tell=tell)).request
    stack.callback(closing.close, box)
    _handle(signal.SIGUSR1, lambda: box.request("asked for by signal"), stack)
    return box


def _close_opened(opening: Future[FrameSource]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _roi(settings: Settings) -> Roi | None:
    return None if settings.model.roi is None else Roi(*settings.model.roi)


def _handle(number: signal.Signals, action: Callable[[], None], stack: ExitStack) -> None:
    """Let a signal do `action` until `stack` is closed."""
    before = signal.signal(number, lambda *_: action())
    stack.callback(signal.signal, number, before)


def _set_all(*events: threading.Event) -> None:
    for event in events:
        event.set()


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
    metrics: Metrics,
    desk: Desk,
    timing: Timing,
    recordings: Recordings | None,
    reception: Reception | None,
    stack: ExitStack,
) -> list[Output]:
    from edge.outputs.page.access import read_tokens
    from edge.outputs.page.address import parse_address
    from edge.outputs.page.hub import Hub
    from edge.outputs.page.server import PageServer
    from edge.outputs.page.serving import Serving

    page = settings.page
    assert page.address is not None
    host, port = parse_address(page.address)
    tokens = None if page.tokens is None else read_tokens(page.tokens)
    serving = Serving(tokens, page.certificate, page.key, page.hosts, page.viewers, recordings, reception)
    rank = VIEWERS if settings.source.pace is Pace.LIVE else None
    hub = Hub(identity, desk, timing, read_performance(bundle), page.megabits, rank=rank)
    stack.callback(hub.close)
    server = PageServer(host, port, hub, metrics, serving)
    stack.callback(server.close)
    server.start()
    logger.info("page: %s", server.url)
    return [metrics, hub]


def _watch(
    metrics: Metrics, parts: Parts, source: FrameSource, log: SessionLog | None, handler: JournalHandler
) -> None:
    """What the parts count of their own."""
    metrics.watch("sonocart_pictures_lost_total", lambda: parts.capture.lost)
    metrics.watch("sonocart_network_failures_total", lambda: parts.examination.failures)
    metrics.watch("sonocart_network_replacements_total", lambda: parts.worker.replacements)
    metrics.watch("sonocart_journal_lines_lost_total", lambda: handler.lost)
    if log is not None:
        metrics.watch("sonocart_log_lines_lost_total", lambda: log.dropped)
    if isinstance(source, Counting):
        metrics.watch("sonocart_source_events_total", lambda: source.counts)


def _engine_maker(settings: Settings, bundle: Bundle) -> Callable[[], Engine]:
    """Makes checked engines, in a process of their own that may be killed, unless the site wants a thread."""
    model = settings.model
    threads = model.threads or max(1, (os.cpu_count() or 2) // 2)  # the others capture, draw and encode
    checked = partial(open_checked, bundle, model.precision, threads=threads, spin=model.spin)
    return partial(EngineProcess, checked) if model.own_process else checked


def _warn_of_gaps(recorders: list[Recorder]) -> None:
    """A video that plays tells nobody what is missing in it."""
    missed, written = (sum(getattr(one, name) for one in recorders) for name in ("dropped", "written"))
    if missed:
        logger.warning("recorded without %d of %d pictures: too slow a machine", missed, missed + written)


def _report(as_json: bool, presented: int, parts: Parts, recorders: list[Recorder]) -> None:
    stages = parts.timing.summary()
    counts = {
        "captured": parts.capture.count,
        "presented": presented,
        "dropped": parts.capture.frames.dropped,
        "lost": parts.capture.lost,
        "torn": parts.examination.signal.tearing.count,
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
        + (f"; frame {frame.words}" if frame else "")
        + (f", network {infer.words}" if infer else "")
    )
