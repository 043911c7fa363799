"""Measure latency honestly, and compare two measurements.

Examples:
  sonocart bench engine runs/demo/bundle --precision int8
  sonocart bench engine runs/demo/bundle --interleave fp32,int8
  sonocart bench compare before/result.json after/result.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from edge.bench.compare import Verdict, compare_results
from edge.bench.measure import STANDARD, Rule
from edge.bench.report import html_report, text_report
from edge.bench.result import Result, read_result, write_result
from edge.contract.bundle import open_bundle
from edge.contract.spec import PRECISIONS
from edge.engines.base import Engine
from edge.errors import UsageError
from edge.sources.base import Pace

REGRESSED = 1

_ENGINE = """Latency of the engine alone, by MLPerf's single-stream rules: after a warm-up, the next query is
sent when the last has returned, for at least 1,000 queries and 10 seconds. Timed is what the cart calls: from
the uint8 tensor in host memory to risk and heat map in host memory. Each engine must give the golden outputs
first.

comparable with trtexec, whose flags must be:
  TensorRT 10: trtexec --loadEngine=PLAN --useCudaGraph --useSpinWait --exposeDMA --infStreams=1
               --warmUp=1000 --iterations=1000 --duration=10 --avgRuns=1 --percentile=50,90,95,99,99.9
  TensorRT 11: trtexec --loadEngine=PLAN --includeDataTransfers --exposeDMA --infStreams=1
               --warmUp=1000 --iterations=1000 --duration=10 --avgRuns=1 --percentile=50,90,95,99,99.9
Then trtexec's "Latency" is transfer in + compute + transfer out, its "GPU Compute Time" is compute. The wall
time here also holds the host's part: checks, launch, wake-up, and the outputs' copy.
"""

_PIPELINE = """The cart's own loop on a video, as fast as it goes, every frame analysed and encoded, in turns
with its floor (copy, luma preprocessing, engine alone, panel, JPEG from planes) and, with --against naive,
with the loop that most people would write. Ratios come from one interleaved run.
"""

_START = """Starts `sonocart run` again and again and watches its log: seconds from the process's
creation to the first presented picture and to the first risk, and the memory it then holds. A phantom is
scanned first, which takes its own time; give a video file to measure the cart alone.
"""

_GLASS = """Shows pictures with a number burnt in, and finds each again where the product presents it.
Screen, cable and capture card are software here: an H.264 encoder, a pipe and a decoder. Prints the
way's parts (shown to captured, captured to presented, presented to frame out), the age on the glass of
what the risk was made from, jitter, and pictures that were lost, doubled or out of order; a recording is
made and its numbers are checked.
"""

_SOAK = """The product at the source's rate for N minutes: latency percentiles, drops, memory,
descriptors, threads and the hottest sensor minute by minute, and how fast each of them grows.
"""

_VIEWERS = """Starts `sonocart run` with its page and visits it on loopback, in turns: one viewer, 50 viewers,
one viewer beside 1000 connections that say nothing. Prints how fast the cart presents, the age of its risk,
its CPU time, and when a viewer that has stalled is let go. Ratios are of turns that follow each other.
"""

_OVERLAY = """CPU time of the overlay on a 1080p frame, in turns with a blend of the whole frame."""

_COMPARE = """Exit code 1 if the second run is slower than the first beyond noise and tolerance, else 0. Wall
times are judged only if the machine was quiet in both runs, or if both carry the same reference track of an
interleaved run; CPU times always.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `bench`'s own verbs."""
    verbs = parser.add_subparsers(title="benches", dest="bench", required=True, metavar="BENCH")

    engine = _verb(verbs, "engine", "latency of the engine alone", _ENGINE, run_engine)
    engine.add_argument("bundle", type=Path)
    which = engine.add_mutually_exclusive_group(required=True)
    which.add_argument("--precision", choices=PRECISIONS)
    which.add_argument(
        "--interleave",
        metavar="P,P",
        help="precisions to measure side by side in one run; ratios are to the first",
    )
    _add_engine_options(engine)
    _add_outputs(engine)
    engine.add_argument("--min-queries", type=int, default=STANDARD.min_queries)
    engine.add_argument("--min-seconds", type=float, default=STANDARD.min_seconds)

    pipeline = _verb(verbs, "pipeline", "the whole way of a frame", _PIPELINE, run_pipeline)
    pipeline.add_argument("bundle", type=Path)
    pipeline.add_argument(
        "--source", required=True, help="a video file, or phantom: for the synthetic scanner"
    )
    pipeline.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    pipeline.add_argument(
        "--against",
        choices=("naive",),
        help="also the loop that most people would write, in FP32 and in the same precision",
    )
    pipeline.add_argument(
        "--pace",
        type=Pace,
        choices=list(Pace),
        default=Pace.MAX,
        metavar="{live,max}",
        help="max: every frame as fast as possible, beside the floor; live: latency at the source's own rate",
    )
    pipeline.add_argument("--seconds", type=float, default=30.0, help="of the run, at least (default: 30)")
    _add_engine_options(pipeline)
    _add_outputs(pipeline)

    start = _verb(verbs, "start", "cold start of sonocart run", _START, run_start)
    start.add_argument("bundle", type=Path)
    start.add_argument("--source", default="phantom:", help="default: phantom:")
    start.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    start.add_argument("--runs", type=int, default=10, help="default: 10")
    _add_outputs(start)

    glass = _verb(verbs, "glass", "from a picture's showing to its presentation", _GLASS, run_glass)
    glass.add_argument("bundle", type=Path)
    glass.add_argument("--source", default="phantom:", help="phantom: with its options (default: phantom:)")
    glass.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    glass.add_argument("--seconds", type=float, default=20.0, help="measured (default: 20)")
    _add_engine_options(glass)
    _add_outputs(glass)

    soak = _verb(verbs, "soak", "does it stay as it began?", _SOAK, run_soak)
    soak.add_argument("bundle", type=Path)
    soak.add_argument("--source", required=True, help="a video file, phantom: or faults:SCRIPT;SOURCE")
    soak.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    soak.add_argument("--minutes", type=int, default=30, help="default: 30")
    soak.add_argument(
        "--faults", type=int, metavar="SEED", help="with faults at random times, drawn from this seed"
    )
    _add_engine_options(soak)
    _add_outputs(soak)

    viewers = _verb(verbs, "viewers", "what visitors of the page cost", _VIEWERS, run_viewers)
    viewers.add_argument("bundle", type=Path)
    viewers.add_argument("--source", default="phantom:", help="default: phantom:")
    viewers.add_argument("--precision", choices=PRECISIONS, default="int8", help="default: int8")
    viewers.add_argument("--seconds", type=float, default=10.0, help="of a turn (default: 10)")
    viewers.add_argument("--turns", type=int, default=3, help="default: 3")
    viewers.add_argument("--json", action="store_true", help="print the figures as JSON")

    overlay = _verb(verbs, "overlay", "the overlay beside a blend", _OVERLAY, run_overlay)
    overlay.add_argument("--frames", type=int, default=1000, help="default: 1000")
    overlay.add_argument("--json", action="store_true", help="print the figures as JSON")

    compare = _verb(verbs, "compare", "regression verdict on two results", _COMPARE, run_compare)
    compare.add_argument("before", type=Path, help="result.json of the run to compare with")
    compare.add_argument("after", type=Path)
    compare.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        help="relative difference that two runs of one build may have (default: 0.05)",
    )
    compare.add_argument("--json", action="store_true", help="print the verdict as JSON")


def main(args: argparse.Namespace) -> int:
    """Run the chosen bench."""
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)


def run_engine(args: argparse.Namespace) -> int:
    """`sonocart bench engine`."""
    from edge.bench.engine import measure_engines
    from edge.engines.choose import open_engine

    precisions = [args.precision] if args.precision else args.interleave.split(",")
    unknown = sorted(set(precisions) - set(PRECISIONS))
    if unknown or len(set(precisions)) != len(precisions):
        raise UsageError(
            f"--interleave {args.interleave}: expected different ones of {', '.join(PRECISIONS)}"
        )
    bundle = open_bundle(args.bundle)
    with progress_bar("single stream") as progress:
        result = measure_engines(
            bundle,
            precisions,
            lambda precision: open_engine(bundle, precision, threads=args.threads, spin=args.spin),
            Rule(min_queries=args.min_queries, min_seconds=args.min_seconds),
            {
                "threads": args.threads,
                "spin": args.spin,
                "min_queries": args.min_queries,
                "min_seconds": args.min_seconds,
            },
            progress,
        )
    return finish(result, html_report(result), args)


def run_pipeline(args: argparse.Namespace) -> int:
    """`sonocart bench pipeline`."""
    from edge.bench.clip import as_clip
    from edge.bench.live import STAGES as LIVE_STAGES
    from edge.bench.live import TRACKS as LIVE_TRACKS
    from edge.bench.live import measure_live
    from edge.bench.pipeline import FLOOR_AND_DECODE, PRODUCT, STAGES, measure_pipeline
    from edge.engines.choose import open_engine
    from edge.sources.open import open_source

    if args.against and args.pace is Pace.LIVE:
        raise UsageError("--against needs --pace max: loops take turns as fast as they go")
    bundle = open_bundle(args.bundle)
    settings = {name: getattr(args, name) for name in ("threads", "spin", "seconds", "against")}

    def make_engine() -> Engine:
        return open_engine(bundle, args.precision, threads=args.threads, spin=args.spin)

    if args.pace is Pace.LIVE:
        source = open_source(args.source, pace=Pace.LIVE, repeat=True)
        with progress_bar("live") as progress:
            result = measure_live(
                bundle, args.precision, source, make_engine, args.seconds, settings, progress
            )
        return finish(result, html_report(result, LIVE_STAGES, LIVE_TRACKS), args)
    naive = list(dict.fromkeys(("fp32", args.precision))) if args.against else []
    with as_clip(args.source) as clip, progress_bar("turns") as progress:
        result = measure_pipeline(
            bundle,
            args.precision,
            clip,
            make_engine,
            naive,
            args.seconds,
            settings,
            progress,
        )
    loops = [PRODUCT, FLOOR_AND_DECODE, *(f"naive {name}" for name in naive)]
    return finish(result, html_report(result, STAGES, loops), args)


def run_start(args: argparse.Namespace) -> int:
    """`sonocart bench start`."""
    from edge.bench.start import measure_start

    bundle = open_bundle(args.bundle)
    arguments = ["--source", args.source, "--precision", args.precision]
    with progress_bar("starts") as progress:
        result = measure_start(bundle, arguments, args.runs, {"runs": args.runs}, progress)
    return finish(result, html_report(result), args)


def run_glass(args: argparse.Namespace) -> int:
    """`sonocart bench glass`."""
    from edge.bench.cable import open_cable
    from edge.bench.glass import SPLITS, measure_glass
    from edge.engines.choose import open_engine

    bundle = open_bundle(args.bundle)
    cable = open_cable(args.source)
    settings = {name: getattr(args, name) for name in ("threads", "spin", "seconds")}
    with progress_bar("glass to glass") as progress:
        result = measure_glass(
            bundle,
            args.precision,
            cable,
            lambda: open_engine(bundle, args.precision, threads=args.threads, spin=args.spin),
            args.seconds,
            settings,
            progress,
        )
    return finish(result, html_report(result, SPLITS), args)


def run_soak(args: argparse.Namespace) -> int:
    """`sonocart bench soak`."""
    from edge.bench.soak import measure_soak
    from edge.engines.choose import open_engine
    from edge.sources.faults import FaultySource, random_script
    from edge.sources.open import open_source

    bundle = open_bundle(args.bundle)
    source = open_source(args.source, pace=Pace.LIVE, repeat=True)
    if args.faults is not None:
        source = FaultySource(source, random_script(args.faults, 60.0 * args.minutes))
    settings = {name: getattr(args, name) for name in ("threads", "spin", "minutes", "faults")}
    with progress_bar("soak") as progress:
        result = measure_soak(
            bundle,
            args.precision,
            source,
            lambda: open_engine(bundle, args.precision, threads=args.threads, spin=args.spin),
            args.minutes,
            settings,
            progress,
        )
    return finish(result, html_report(result), args)


def run_viewers(args: argparse.Namespace) -> int:
    """`sonocart bench viewers`."""
    from edge.bench.viewers import measure_viewers

    open_bundle(args.bundle).model(args.precision)
    arguments = ["--source", args.source, "--precision", args.precision]
    with progress_bar("turns") as progress:
        figures = measure_viewers(args.bundle, arguments, args.seconds, max(1, args.turns), progress)
    return _print_figures(figures, args.json)


def run_overlay(args: argparse.Namespace) -> int:
    """`sonocart bench overlay`."""
    from edge.bench.overlay import measure_overlay

    with progress_bar("frames") as progress:
        figures = measure_overlay(max(1, args.frames), progress)
    return _print_figures(figures, args.json)


def _print_figures(figures: dict[str, float], as_json: bool) -> int:
    if as_json:
        print(json.dumps(figures))
    else:
        width = max(map(len, figures))
        print("\n".join(f"{name:<{width}}  {value:.3f}" for name, value in figures.items()))
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """`sonocart bench compare`."""
    verdict = compare_results(read_result(args.before), read_result(args.after), args.tolerance)
    if args.json:
        fields = {**asdict(verdict), "regressed": verdict.regressed}
        print(msgspec.json.format(msgspec.json.encode(fields), indent=2).decode())
    else:
        print(_verdict_text(verdict))
    return REGRESSED if verdict.regressed else 0


def finish(result: Result, html: str, args: argparse.Namespace) -> int:
    """Write the folder and print the figures."""
    out = args.out or Path("runs/bench") / f"{result.bench}-{time.strftime('%Y%m%d-%H%M%S')}"
    write_result(result, html, out)
    if args.json:
        fields = msgspec.to_builtins(result)
        del fields["tracks"]  # the samples are in the file
        print(msgspec.json.format(msgspec.json.encode({**fields, "out": str(out)}), indent=2).decode())
    else:
        print(text_report(result))
        print(f"\nwritten: {out / 'result.json'} and {out / 'report.html'}")
    return 0


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, redrawn only between turns: rich's own refreshing thread would be measured too."""
    console = Console(stderr=True)
    with Progress(console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        drawn = time.monotonic()

        def show(done: float) -> None:
            nonlocal drawn
            if time.monotonic() - drawn > 0.5:
                drawn = time.monotonic()
                progress.update(task, completed=done, refresh=True)

        yield show


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    description: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=2, help="that one inference may use (default: 2)")
    parser.add_argument("--spin", action="store_true", help="wait busily instead of sleeping")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--out", type=Path, help="new folder for result.json and report.html")


def _verdict_text(verdict: Verdict) -> str:
    lines = [
        f"{row.verdict:<8} {row.track}, {row.metric}: {row.before_ms:.3f} -> {row.after_ms:.3f} ms, "
        f"ratio {row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"
        f"{', each over its reference' if row.normalised else ''}"
        for row in verdict.rows
    ]
    lines += [f"not judged: {reason}" for reason in verdict.skipped]
    lines += [f"differs: {difference}" for difference in verdict.differences]
    lines.append("regression" if verdict.regressed else "no regression")
    return "\n".join(lines)
