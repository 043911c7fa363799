"""Measure latency honestly, and compare two measurements.

Examples:
  sonocart bench engine runs/demo/bundle --precision int8
  sonocart bench engine runs/demo/bundle --interleave fp32,int8
  sonocart bench compare before/result.json after/result.json
"""

from __future__ import annotations

import argparse
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
    from edge.bench.live import measure_live
    from edge.bench.pipeline import STAGES, measure_pipeline
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
        return finish(result, html_report(result), args)
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
    stages = [track for track in result.tracks if track.name in STAGES]
    return finish(result, html_report(result, stages), args)


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
