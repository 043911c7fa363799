"""Make, judge and measure every precision that this machine can run, and name the fastest that passes."""

from __future__ import annotations

import argparse
import logging
import threading

import msgspec

from calibration.build import build
from calibration.latency import measure
from calibration.lower import lower
from calibration.plan import Settings
from calibration.report import CalibrationReport, describe_losses, read_report
from calibration.request import METHODS, MIN_SQNR_DB, Request
from calibration.track import Track, progress_bars
from edge.bench.conditions import whole_joules
from edge.bench.rule import Rule
from edge.contract.bundle import Bundle, model_file, open_bundle
from edge.contract.qualification import Verdict
from edge.contract.signature_loss import telling_of_signature
from edge.contract.spec import PRECISIONS
from edge.engines.cuda import Driver, load_driver
from edge.engines.tensorrt_key import machine_key, plan_file, require_pycuda, tensorrt_version
from edge.errors import DataError, InternalError, UnavailableError, UsageError
from edge.study.cases import Study
from edge.study.parts import used_in_making
from edge.study.read import read_study

logger = logging.getLogger(__name__)

_BUILD = Settings(workspace=1 << 30, optimization_level=3, dla=None)
_SECONDS_PER_QUERY = 0.01  # of the bench's own rule: 1000 queries and 10 seconds


class Advice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One precision on this machine.

    Attributes:
        precision: of the graph.
        passes: the clinical gate.
        verdict: of the gate, in words.
        engine: that ran it; null where it was refused.
        p50_ms: median latency of one inference.
        p99_ms: 99th percentile; null of fewer than 100 queries.
        bytes: of the ONNX file.
        joules: energy of one inference by rail or package, where one may hold another; empty where the
            machine has no sensor.
    """

    precision: str
    passes: bool
    verdict: str
    engine: str | None
    p50_ms: float | None
    p99_ms: float | None
    bytes: int | None
    joules: dict[str, float]


def main(args: argparse.Namespace) -> int:
    """Run the verb."""
    if args.queries < 1:
        raise UsageError(f"--queries is {args.queries}, expected 1 or more")
    bundle = open_bundle(args.bundle)
    study = read_study(args.frames)
    used_in_making(bundle, study)  # refuses another study, also where nothing is to be calibrated
    rule = Rule(min_queries=args.queries, min_seconds=args.queries * _SECONDS_PER_QUERY)
    with telling_of_signature(args.bundle), progress_bars() as track:
        rows = advise(bundle, study, rule, track)
    best = fastest(rows)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode({"rows": rows, "advice": best.precision})).decode())
        return 0
    print(_table(rows))
    print(f"\nadvice: --precision {best.precision}, {best.p50_ms:.2f} ms on {best.engine}")
    return 0


def advise(bundle: Bundle, study: Study, rule: Rule, track: Track) -> list[Advice]:
    """Make what is missing, then measure all that pass.

    Args:
        bundle: with FP32; gains precisions and engines on disk.
        study: that the model was made with.
        rule: how long to measure.
        track: for progress bars.
    """
    refused: dict[str, str] = {}
    for precision in PRECISIONS[1:]:
        bundle = open_bundle(bundle.path)
        if read_report(bundle, precision) is None:
            try:
                lower(bundle, study, Request(precision, METHODS, (), MIN_SQNR_DB, rank_layers=False), track)
            except InternalError as error:
                refused[precision] = str(error)
    bundle, driver = open_bundle(bundle.path), _driver()
    for precision in bundle.precisions():
        if driver is not None:
            try:
                bundle = _built(bundle, precision, driver, track)
            except (DataError, InternalError) as error:
                refused[precision] = str(error)
    reference = "reference"
    if "fp32" in refused:  # it is still what the others are measured against, on the CPU then
        reference += f"; refused on the GPU: {_line(refused.pop('fp32'))}"
    running = [precision for precision in bundle.precisions() if precision not in refused]
    result = measure(bundle, running, rule, track)
    rows = []
    for precision in running:
        energy: dict[str, float] = {}
        if result.conditions.joules:
            alone = measure(bundle, [precision], rule, track)
            energy = {rail: j / len(alone.tracks[0].wall_ms) for rail, j in alone.conditions.joules.items()}
        wall = result.summary[precision].wall
        report = read_report(bundle, precision)
        rows.append(
            Advice(
                precision=precision,
                passes=report is None or report.gate.verdict is Verdict.PASSES,
                verdict=reference if report is None else _verdict(report),
                engine=result.subject[f"engine {precision}"],
                p50_ms=wall["p50"],
                p99_ms=wall.get("p99"),
                bytes=bundle.manifest.files[model_file(precision)].bytes,
                joules=energy,
            )
        )
    for precision, reason in refused.items():
        rows.append(
            Advice(
                precision=precision,
                passes=False,
                verdict=f"refused: {_line(reason)}",
                engine=None,
                p50_ms=None,
                p99_ms=None,
                bytes=None,
                joules={},
            )
        )
    return rows


def fastest(rows: list[Advice]) -> Advice:
    """The passing row with the lowest median; FP32's is always one of them."""
    timed = [(row.p50_ms, index) for index, row in enumerate(rows) if row.passes and row.p50_ms is not None]
    return rows[min(timed)[1]]


def _driver() -> Driver | None:
    """Of this machine's GPU; None where there is none or, with a warning, nothing that builds engines."""
    try:
        driver = load_driver()
    except UnavailableError:
        return None
    try:
        tensorrt_version()
        require_pycuda()
    except UnavailableError as error:
        logger.warning("the GPU is left out and the CPU measured: %s", error)
        return None
    return driver


def _built(bundle: Bundle, precision: str, driver: Driver, track: Track) -> Bundle:
    """The bundle with an engine for this machine.

    Raises:
        DataError, InternalError: it cannot be built, or fails its golden frames.
    """
    if bundle.has(plan_file(machine_key(bundle, precision, driver))):
        return bundle
    step = track(f"build {precision}", 1)

    def progress(_phase: str, parent: str | None, done: int, steps: int) -> None:
        if parent is None and done == steps:
            step()

    build(bundle, precision, _BUILD, b"", progress, threading.Event())
    return open_bundle(bundle.path)


def _line(reason: str) -> str:
    return reason.splitlines()[0]


def _verdict(report: CalibrationReport) -> str:
    point = report.gate.weakest
    sensitivity = point.sensitivity
    return (
        f"{point.verdict.value}: sensitivity {sensitivity.value:+.3f} ({sensitivity.low:+.3f} to "
        f"{sensitivity.high:+.3f}) at '{point.name}', calls lost {describe_losses(point)}"
    )


def _table(rows: list[Advice]) -> str:
    lines = [f"{'precision':<10} {'p50 ms':>8} {'p99 ms':>8} {'MB':>7}  {'mJ':>7}  clinical gate"]
    for row in rows:
        joules = whole_joules(row.joules)
        energy = "-" if joules is None else f"{1000 * joules:.1f}"
        lines.append(
            f"{row.precision:<10} {_number(row.p50_ms):>8} {_number(row.p99_ms):>8} "
            f"{_number(row.bytes and row.bytes / 1e6):>7}  {energy:>7}  {row.verdict}"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
